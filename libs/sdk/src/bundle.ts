/**
 * From an author's file to a program: one self-contained ECMAScript module, which is registered by its hash. Node side;
 * not part of what a thread imports.
 *
 * A program imports `@godwit/sdk` and nothing else, so that its hash covers all of its code and it runs where neither
 * Node nor `node_modules` is. swc strips the types and finds the imports; it is an author's tool (`@swc/core`) and no
 * dependency of running threads. Several files become one with any bundler that leaves `@godwit/sdk` external.
 */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { OperationError } from '@godwit/kernel';

type Swc = typeof import('@swc/core');
interface Node { readonly type: string; readonly [key: string]: unknown }

const bad = (reason: string, cause?: unknown): OperationError => new OperationError('invalid-program', reason, { effect: 'none', cause });

async function loadSwc(): Promise<Swc> {
  try {
    return await import('@swc/core');
  } catch (cause) {
    throw new OperationError('unsupported', 'bundleThread needs @swc/core: npm install --save-dev @swc/core', { effect: 'none', cause });
  }
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

/** All nodes of a tree, the root included. */
function* walk(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* walk(item);
  else if (typeof value === 'object' && value !== null) {
    if (isNode(value)) yield value;
    for (const part of Object.values(value)) if (typeof part === 'object') yield* walk(part);
  }
}

function refusedImport(node: Node): string | undefined {
  if (node.type === 'CallExpression' && isNode(node.callee) && node.callee.type === 'Import') return 'calls import(…); a program is loaded at once and whole';
  const source = node.source;
  if (!isNode(source) || !/^(Import|Export)/.test(node.type)) return undefined;
  const specifier = String(source.value);
  if (specifier === '@godwit/sdk') return undefined;
  const remedy = specifier.startsWith('node:') ? 'a thread has no Node' : 'bundle it into the file, or remove it';
  return `imports ${JSON.stringify(specifier)}; only "@godwit/sdk" is there when it runs: ${remedy}`;
}

/** True for `export default …` and for `export { x as default }`. */
function exportsDefault(node: Node): boolean {
  if (node.type.startsWith('ExportDefault')) return true;
  if (node.type !== 'ExportSpecifier') return false;
  const name = isNode(node.exported) ? node.exported : node.orig;
  return isNode(name) && name.value === 'default';
}

/**
 * Reads a thread's file (TypeScript or JavaScript) and gives the program's bytes, ready to be registered. The same file
 * and the same version of swc give the same bytes.
 * @throws OperationError `invalid-program` with the reason; `not-found` when the file cannot be read.
 */
export async function bundleThread(entryFile: string): Promise<Uint8Array> {
  const source = await readFile(entryFile, 'utf8').catch((cause: unknown) => {
    throw new OperationError('not-found', `bundleThread: cannot read ${entryFile}`, { effect: 'none', cause });
  });
  const swc = await loadSwc();
  const typescript = /^\.[cm]?tsx?$/.test(extname(entryFile));
  try {
    const { code } = await swc.transform(source, {
      configFile: false, swcrc: false, sourceMaps: false, isModule: true, filename: 'program.ts',
      jsc: { target: 'es2024', parser: typescript ? { syntax: 'typescript' } : { syntax: 'ecmascript' } },
      module: { type: 'es6' },
    });
    const nodes = [...walk(await swc.parse(code, { syntax: 'ecmascript', target: 'es2024' }))];
    for (const node of nodes) {
      const reason = refusedImport(node);
      if (reason !== undefined) throw bad(`${entryFile} ${reason}`);
    }
    if (!nodes.some(exportsDefault)) throw bad(`${entryFile} has no default export; it must be the result of defineThread`);
    return new TextEncoder().encode(code);
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
    throw bad(`${entryFile} is no ${typescript ? 'TypeScript' : 'ECMAScript'}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}
