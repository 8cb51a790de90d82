/** Programs for specs and benches: compiled and instrumented once, kept by content under `.godwit/cache/wasm`. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isRefusal, type Sha256, type ThreadId } from '@godwit/kernel';
import type { InputRecord, ThreadLimits, ThreadProgram } from '@godwit/runtime';
import { compileC } from '../scripts/compile-c.mjs';
import { ensureMigratable } from './instrument.js';

const CACHE = fileURLToPath(new URL('../../../../.godwit/cache/wasm/', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('../programs/', import.meta.url));
const SOURCES = fileURLToPath(new URL('.', import.meta.url));

export const RIG_LIMITS: ThreadLimits = { memoryBytes: 64 * 1024 * 1024, stackBytes: 1024 * 1024, tableEntries: 1_000, safepointMs: 500 };

const sha256 = (...parts: readonly (Uint8Array | string)[]): Sha256 => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex') as Sha256;
};
/** The sources are part of the name: an edit of the instrumentation must not find what it made before. */
const INSTRUMENTATION = /^(abi|binary|body|capture|code|float-stack|forms|liveness|module|opcodes|rewrite|survey|unwinding|walk|wasi-signatures|write-tracking|asyncify-rig)\.(ts|js)$/;
const sourcesDigest = sha256(...readdirSync(SOURCES).filter((f) => INSTRUMENTATION.test(f)).sort().map((f) => readFileSync(`${SOURCES}${f}`)));

/** What `make` makes of a program, kept under the names of both and the instrumentation's sources. */
export async function keptOf(bytes: Uint8Array, what: string, make: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> {
  const cached = `${CACHE}${sha256(bytes, what, sourcesDigest)}.migratable.wasm`;
  if (existsSync(cached)) return readFileSync(cached);
  const made = await make();
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${cached}.${process.pid}`, made);
  renameSync(`${cached}.${process.pid}`, cached);
  return made;
}

export const migratableOf = (bytes: Uint8Array, limits: ThreadLimits = RIG_LIMITS): Promise<Uint8Array> => keptOf(bytes, JSON.stringify(limits), async () => {
  const made = await ensureMigratable(bytes, limits);
  if (isRefusal(made)) throw new Error(`${made.code}: ${made.reason}`);
  return made;
});

/** A test program of `programs/`, by the name of its C file, or its C++ file with the ending. */
export const compiled = (name: string, flags?: readonly string[]): Promise<Uint8Array> => compileC([`${PROGRAMS}${name.includes('.') ? name : `${name}.c`}`], flags);

export async function programOf(bytes: Uint8Array, more: Partial<ThreadProgram> = {}): Promise<ThreadProgram> {
  return {
    thread: 'thread-1' as ThreadId, runtime: 'wasm', bytes, sha256: createHash('sha256').update(bytes).digest('hex') as Sha256,
    args: ['program', 'world'], env: { GREETING: 'hello' }, seed: 7, limits: RIG_LIMITS,
    migratable: await migratableOf(bytes, more.limits), ...more,
  };
}

/** Input records with one message for each text; the last one ends the input. */
export const inputs = (...texts: readonly string[]): InputRecord[] => texts.map((text, i) => ({
  seq: 10 + i * 3, atMs: 1_700_000_000_000 + i * 250, from: 'in', originMs: 1_700_000_000_000 + i * 250 - 5,
  messages: [{ kind: '', payload: Buffer.from(text) }], end: i === texts.length - 1,
}));
