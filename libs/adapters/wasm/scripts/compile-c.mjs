#!/usr/bin/env node
/**
 * Compiles C (and C++, `.cc`) to a WASI preview 1 module: `node compile-c.mjs <out.wasm> <in.c>… [flags for clang]`, or `compileC()` from
 * another script. The compiler is `@yowasp/clang`, so no toolchain needs to be installed. A run of it costs seconds:
 * results are kept by the hash of sources, flags and compiler under `.godwit/cache/wasm` of the workspace.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const CACHE = fileURLToPath(new URL('../../../../.godwit/cache/wasm/', import.meta.url));
const DEFAULT_FLAGS = ['-O2', '--target=wasm32-wasip1'];

function compilerVersion() {
  const entry = createRequire(import.meta.url).resolve('@yowasp/clang');
  return JSON.parse(readFileSync(join(dirname(entry), '../package.json'), 'utf8')).version;
}

function keyOf(sources, flags) {
  const hash = createHash('sha256').update(JSON.stringify([compilerVersion(), flags, sources.map((s) => basename(s))]));
  for (const source of sources) hash.update(readFileSync(source)).update('\0');
  return hash.digest('hex');
}

/**
 * @param {string[]} sources paths of C files, and of headers and other files that these include; their base names must differ
 * @param {string[]} [extraFlags] more flags for clang, after `-O2 --target=wasm32-wasip1`
 * @returns {Promise<Uint8Array>} the module
 * @throws Error with the compiler's own messages when a source does not compile
 */
export async function compileC(sources, extraFlags = []) {
  const flags = [...DEFAULT_FLAGS, ...extraFlags];
  const cached = join(CACHE, `${keyOf(sources, flags)}.c.wasm`);
  if (existsSync(cached)) return readFileSync(cached);
  const { commands } = await import('@yowasp/clang');
  const files = Object.fromEntries(sources.map((s) => [basename(s), readFileSync(s, 'utf8')]));
  const messages = [];
  const collect = (bytes) => { if (bytes) messages.push(Buffer.from(bytes)); };
  let produced;
  try {
    const compile = sources.some((s) => s.endsWith('.cc')) ? commands['clang++'] : commands.clang;
    produced = await compile([...flags, ...Object.keys(files).filter(isSource), '-o', 'out.wasm'], files, { stdout: collect, stderr: collect, fetchProgress: () => undefined });
  } catch (cause) {
    throw new Error(`${sources.join(', ')} does not compile:\n${Buffer.concat(messages).toString()}`, { cause });
  }
  mkdirSync(CACHE, { recursive: true });
  const own = `${cached}.${process.pid}`;
  writeFileSync(own, produced['out.wasm']);
  renameSync(own, cached);
  return readFileSync(cached);
}

const isSource = (path) => path.endsWith('.c') || path.endsWith('.cc');

async function main(args) {
  const [out, ...rest] = args;
  const sources = rest.filter(isSource);
  if (!out || sources.length === 0) throw new Error('usage: compile-c.mjs <out.wasm> <in.c>… [flags for clang]');
  const bytes = await compileC(sources.map((s) => resolve(s)), rest.filter((a) => !isSource(a)));
  mkdirSync(dirname(resolve(out)), { recursive: true });
  writeFileSync(out, bytes);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.slice(2));
