/** Makes a module migratable in a child process: the optimiser is slow, blocks, and can be brought down by its input. */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { refuse, type Refusal } from '@godwit/kernel';
import { MIGRATABLE_VERSION, DESCRIPTION_SECTION } from './abi.js';
import { entryOf } from './entry.js';
import type { InstrumentAnswer, InstrumentRequest } from './instrument-child.js';
import { readDescription, type RewriteLimits } from './rewrite.js';

export const MAX_MODULE_BYTES = 16 * 1024 * 1024;
/** How long one instrumentation may take, ms, and how much memory, bytes. */
export const INSTRUMENT_TIMEOUT_MS = 300_000;
export const INSTRUMENT_MEMORY_BYTES = 3 * 1024 ** 3;
const MEMORY_CHECK_MS = 200;
const PAGE_BYTES = 4_096;

/** What can be said of the bytes at once; undefined when they look like a module. */
export function refuseBytes(bytes: Uint8Array): Refusal | undefined {
  if (bytes.length > MAX_MODULE_BYTES) return refuse('payload-too-large', `the module has ${bytes.length} bytes, more than ${MAX_MODULE_BYTES}`, 'bytes');
  const magic = bytes.length >= 8 && bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
  if (!magic) {
    const text = /^\s*\(\s*(module|component)/.test(Buffer.from(bytes.subarray(0, 256)).toString('latin1'));
    return refuse('not-wasm', text ? 'it is WebAssembly text; register the binary' : 'it does not begin with the four bytes of a WebAssembly module', 'bytes');
  }
  if (bytes[6] !== 0) return refuse('not-wasm', 'it is a component; register a core module of WASI preview 1', 'bytes');
  if (bytes[4] !== 1 || bytes[5] !== 0) return refuse('not-wasm', `its binary format has version ${bytes[4]! + 256 * bytes[5]!}, and only 1 is known`, 'bytes');
  return undefined;
}

const residentBytes = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0; // ended meanwhile, or no Linux: the time limit alone holds then
  }
};

/** Ends the child when it passes a limit; calls `passed` with what it was. Returns a function that stops watching. */
function watch(child: ChildProcess, timeoutMs: number, passed: (what: string) => void): () => void {
  const end = (what: string): void => {
    child.kill('SIGKILL');
    passed(what);
  };
  const timer = setTimeout(() => end(`took longer than ${timeoutMs} ms`), timeoutMs);
  const memory = setInterval(() => {
    if (child.pid !== undefined && residentBytes(child.pid) > INSTRUMENT_MEMORY_BYTES) end(`took more than ${INSTRUMENT_MEMORY_BYTES} bytes of memory`);
  }, MEMORY_CHECK_MS);
  return () => {
    clearTimeout(timer);
    clearInterval(memory);
  };
}

function inChild(request: InstrumentRequest, timeoutMs: number): Promise<Uint8Array | Refusal> {
  const { url, execArgv } = entryOf('instrument-child');
  const child = fork(url, { execArgv, serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  return new Promise((resolve) => {
    let said = '';
    child.stderr?.on('data', (text: Buffer) => { said = (said + text.toString()).slice(-2_000); });
    const done = (result: Uint8Array | Refusal): void => {
      unwatch();
      resolve(result);
    };
    const unwatch = watch(child, timeoutMs, (what) => done(refuse('not-migratable', `the instrumentation ${what}`)));
    child.on('message', (answer: InstrumentAnswer) => {
      done('migratable' in answer ? new Uint8Array(answer.migratable) : refuse(answer.code, answer.reason, answer.field ?? 'bytes'));
    });
    child.on('error', (error) => done(refuse('not-migratable', `the instrumentation could not be started: ${error.message}`)));
    child.on('exit', () => done(refuse('not-migratable', `the instrumentation failed: ${said.trim().split('\n').slice(-4).join(' ') || 'without a word'}`, 'bytes')));
    child.send(request);
  });
}

/**
 * The instrumented module of a program, or the reason why there is none. Takes seconds: keep the result under a name
 * with the program's hash, the limits and `MIGRATABLE_VERSION`.
 */
export async function ensureMigratable(bytes: Uint8Array, limits: RewriteLimits, timeoutMs = INSTRUMENT_TIMEOUT_MS): Promise<Uint8Array | Refusal> {
  const refused = refuseBytes(bytes);
  if (refused) return refused;
  if (!WebAssembly.validate(bytes)) return refuse('not-wasm', 'it is cut off or malformed: it does not validate as a WebAssembly module', 'bytes');
  return inChild({ bytes, limits: { memoryBytes: limits.memoryBytes, stackBytes: limits.stackBytes, tableEntries: limits.tableEntries } }, timeoutMs);
}

/** The description inside an instrumented module, or a refusal when it has none of this version. */
export function describe(migratable: Uint8Array): NonNullable<ReturnType<typeof readDescription>> | Refusal {
  return readDescription(migratable, DESCRIPTION_SECTION) ?? refuse('not-migratable', `the module was not instrumented by version ${MIGRATABLE_VERSION}`, 'migratable');
}
