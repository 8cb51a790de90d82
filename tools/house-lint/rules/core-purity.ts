import type { Rule, Violation } from '../rule.ts';
import { isNode, type Node, type SourceFile } from '../source-file.ts';
import { isBuiltin } from './rooms.ts';

/** Globals that read the world or wait for it, and what stands in their place. */
const WORLD: Readonly<Record<string, string>> = {
  process: 'take what you need as an argument', Buffer: 'use Uint8Array', console: 'return what is to be told', require: 'import it',
  setTimeout: 'take nowMs', setInterval: 'take nowMs', setImmediate: 'take nowMs', queueMicrotask: 'take nowMs', performance: 'take a Clock',
  crypto: 'take a hash or an IdSource', fetch: 'return an effect', globalThis: 'name what you need',
};

/** Members of a global that are not a function of their arguments. */
const MEMBERS: Readonly<Record<string, string>> = { 'Date.now': 'take nowMs', 'Math.random': 'take an Rng' };

/** The compiler refuses most of this already (`types: []`); this rule is what says so in words, and what no ambient type can undo. */
export const corePurity: Rule = {
  name: 'core-purity',
  protects: 'the core has no clock, no randomness, no I/O and does not wait, and the protocol waits for its ports only: the simulator can run what production runs',
  check: (workspace) => workspace.packages.filter(({ layer }) => layer === 'core' || layer === 'protocol').flatMap((one) => [
    ...(one.tsconfig?.extends?.endsWith('/tsconfig.core.json') ? [] : [{ file: `${one.folder}/tsconfig.json`, line: 0, message: 'extends something other than tsconfig.core.json' }]),
    ...workspace.sourcesOf(one).filter(({ use }) => use === 'source').flatMap(({ source }) => impurities(source, one.layer === 'protocol')),
  ]),
};

function impurities(source: SourceFile, mayWait: boolean): Violation[] {
  const say = (line: number, message: string): Violation => ({ file: source.path, line, message });
  return [
    ...source.imports().filter(({ specifier }) => isBuiltin(specifier)).map(({ specifier, line }) => say(line, `imports ${specifier}`)),
    ...source.globals().flatMap(({ name, node, parents }) => {
      const remedy = Object.hasOwn(WORLD, name) ? `${name}: ${WORLD[name]}` : memberRemedy(name, parents.at(-1)) ?? dateRemedy(name, parents.at(-1));
      return remedy === undefined ? [] : [say(source.lineOf(node), remedy)];
    }),
    ...source.nodes().flatMap(([node]) => (!mayWait && waits(node) ? [say(source.lineOf(node), 'waits (async or await): return an effect')] : [])),
  ];
}

function memberRemedy(object: string, parent: Node | undefined): string | undefined {
  if (parent?.type !== 'MemberExpression' || !isNode(parent['property'])) return undefined;
  const member = `${object}.${String(parent['property']['value'])}`;
  return Object.hasOwn(MEMBERS, member) ? `${member}: ${MEMBERS[member]}` : undefined;
}

/** `new Date(ms)` is a function of its argument; `new Date()` and `Date()` read the clock. */
function dateRemedy(name: string, parent: Node | undefined): string | undefined {
  if (name !== 'Date') return undefined;
  const given = (parent?.['arguments'] ?? []) as readonly unknown[];
  return parent?.type === 'CallExpression' || (parent?.type === 'NewExpression' && given.length === 0) ? 'new Date() and Date() read the clock: take nowMs' : undefined;
}

function waits(node: Node): boolean {
  const body = node['function'] as { async?: boolean } | undefined;
  return node.type === 'AwaitExpression' || node['async'] === true || body?.async === true || (node.type === 'ForOfStatement' && node['isAwait'] === true);
}
