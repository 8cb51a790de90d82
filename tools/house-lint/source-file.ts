/**
 * A TypeScript or JavaScript file with its syntax tree, in the form that the rules ask for. It rests on two habits of
 * swc's parser, which `source-file.spec.ts` holds fast: spans count bytes from 1, and an identifier that no binding of
 * the file explains has the syntax context 1.
 */
import { parseSync } from '@swc/core';

/** A node of swc's tree. Only what the rules read has a type here. */
export interface Node {
  readonly type: string;
  readonly span: { readonly start: number; readonly end: number };
  readonly [field: string]: unknown;
}

/** How a module is named by another: `mention` is `import.meta.resolve('…')`, which loads nothing by itself. */
export interface ImportSite {
  readonly specifier: string;
  readonly line: number;
  readonly kind: 'import' | 'mention';
}

export interface Comment {
  readonly text: string;
  /** First line, counted from 1. */
  readonly line: number;
  readonly lastLine: number;
}

export interface FunctionSite {
  readonly name: string;
  readonly line: number;
  readonly lastLine: number;
}

const UNRESOLVED = 1;
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression', 'Constructor', 'ClassMethod', 'PrivateMethod', 'MethodProperty', 'GetterProperty', 'SetterProperty']);
const LITERALS = new Set(['StringLiteral', 'RegExpLiteral', 'TemplateElement', 'JSXText']);

export const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
const textOf = (value: unknown): string | undefined => (isNode(value) && typeof value['value'] === 'string' ? value['value'] : undefined);
const literalOf = (value: unknown): string | undefined => (isNode(value) && value.type === 'StringLiteral' ? textOf(value) : undefined);

export class SourceFile {
  readonly path: string;
  readonly text: string;
  readonly #bytes: Buffer;
  readonly #nodes: readonly (readonly [node: Node, parents: readonly Node[]])[];
  readonly #lineStarts: readonly number[];

  /** @throws an error with the parser's message when the text is not TypeScript. */
  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.#bytes = Buffer.from(text);
    const starts = [0];
    for (let at = this.#bytes.indexOf(10); at >= 0; at = this.#bytes.indexOf(10, at + 1)) starts.push(at + 1);
    this.#lineStarts = starts;
    const root: unknown = parseSync(text, { syntax: 'typescript', decorators: true, target: 'es2022' });
    const nodes: (readonly [Node, readonly Node[]])[] = [];
    collect(root, [], nodes);
    this.#nodes = nodes;
  }

  /** Every node of the tree with its parents, the nearest last. */
  nodes(): readonly (readonly [node: Node, parents: readonly Node[]])[] {
    return this.#nodes;
  }

  nodesOf(type: string): Node[] {
    return this.#nodes.filter(([node]) => node.type === type).map(([node]) => node);
  }

  lineOf(node: Node): number {
    return this.#lineAt(node.span.start - 1);
  }

  lastLineOf(node: Node): number {
    return this.#lineAt(node.span.end - 2);
  }

  lineCount(): number {
    return this.#lineStarts.length - (this.text.endsWith('\n') ? 1 : 0);
  }

  /** Modules that this file names: imports and exports, of types too, dynamic ones, and those it asks the place of. */
  imports(): ImportSite[] {
    return this.#nodes.flatMap(([node]) => {
      const found = importOf(node);
      return found === undefined ? [] : [{ ...found, line: this.lineOf(node) }];
    });
  }

  /** Names that are used and that nothing in this file binds: the globals. */
  globals(): { readonly name: string; readonly node: Node; readonly parents: readonly Node[] }[] {
    return this.#nodes.flatMap(([node, parents]) => {
      const name = node.type === 'Identifier' && node['ctxt'] === UNRESOLVED ? textOf(node) : undefined;
      return name === undefined ? [] : [{ name, node, parents }];
    });
  }

  /** Functions of every form, but not the callback of a `describe`, which is a chapter and not a function. */
  functions(): FunctionSite[] {
    return this.#nodes
      .filter(([node, parents]) => FUNCTIONS.has(node.type) && !isChapter(parents))
      .map(([node, parents]) => ({ name: nameOf(node, parents), line: this.lineOf(node), lastLine: this.lastLineOf(node) }));
  }

  comments(): Comment[] {
    const literals = this.#nodes.filter(([node]) => LITERALS.has(node.type)).map(([node]) => node.span).sort((a, b) => a.start - b.start);
    const found: Comment[] = [];
    let next = 0;
    for (let at = 0; at < this.#bytes.length; at++) {
      while (next < literals.length && literals[next]!.end - 1 <= at) next++;
      const literal = literals[next];
      if (literal !== undefined && literal.start - 1 <= at) { at = literal.end - 2; continue; }
      const end = this.#commentEnd(at);
      if (end === undefined) continue;
      found.push({ text: this.#bytes.toString('utf8', at, end), line: this.#lineAt(at), lastLine: this.#lineAt(end - 1) });
      at = end - 1;
    }
    return found;
  }

  /** Where the comment that begins at this byte ends; undefined when none begins here. */
  #commentEnd(at: number): number | undefined {
    if (this.#bytes[at] !== 0x2f) return undefined;
    const close = this.#bytes[at + 1] === 0x2f ? '\n' : this.#bytes[at + 1] === 0x2a ? '*/' : undefined;
    if (close === undefined) return undefined;
    const end = this.#bytes.indexOf(close, at + 2);
    return end < 0 ? this.#bytes.length : close === '\n' ? end : end + 2;
  }

  #lineAt(byte: number): number {
    let low = 0;
    for (let high = this.#lineStarts.length; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= byte) low = middle; else high = middle;
    }
    return low + 1;
  }
}

function collect(value: unknown, parents: readonly Node[], into: (readonly [Node, readonly Node[]])[]): void {
  if (Array.isArray(value)) { for (const one of value) collect(one, parents, into); return; }
  if (typeof value !== 'object' || value === null) return;
  let inner = parents;
  if (isNode(value)) {
    into.push([value, parents]);
    inner = [...parents, value];
  }
  for (const [field, child] of Object.entries(value)) if (field !== 'span') collect(child, inner, into);
}

function importOf(node: Node): Omit<ImportSite, 'line'> | undefined {
  const source = literalOf(node['source']);
  if (source !== undefined && /^(Import|ExportAll|ExportNamed)Declaration$/.test(node.type)) return { specifier: source, kind: 'import' };
  if (node.type === 'TsImportType') return from(literalOf(node['argument']), 'import');
  if (node.type !== 'CallExpression' || !isNode(node['callee'])) return undefined;
  const [first] = node['arguments'] as readonly { expression: unknown }[];
  if (node['callee'].type === 'Import') return from(literalOf(first?.expression), 'import');
  const { object, property } = node['callee'];
  const asksPlace = isNode(object) && object.type === 'MetaProperty' && textOf(property) === 'resolve';
  return asksPlace ? from(literalOf(first?.expression), 'mention') : undefined;
}

function from(specifier: string | undefined, kind: ImportSite['kind']): Omit<ImportSite, 'line'> | undefined {
  return specifier === undefined ? undefined : { specifier, kind };
}

function isChapter(parents: readonly Node[]): boolean {
  const parent = parents.at(-1);
  if (parent?.type !== 'CallExpression') return false;
  let callee: unknown = parent['callee'];
  while (isNode(callee) && callee.type !== 'Identifier') callee = callee['object'] ?? callee['callee'] ?? callee['tag'];
  return textOf(callee) === 'describe';
}

function nameOf(node: Node, parents: readonly Node[]): string {
  const parent = parents.at(-1);
  const given = textOf(node['identifier']) ?? textOf(node['key']) ?? (parent?.type === 'VariableDeclarator' ? textOf(parent['id']) : undefined);
  return given ?? (parent === undefined ? undefined : textOf(parent['key'])) ?? 'an unnamed function';
}
