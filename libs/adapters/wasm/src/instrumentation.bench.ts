/**
 * What the instrumentation costs: kernels in C, plain and instrumented, in one run. Run it with
 * `npx node --conditions=@godwit/source --import ./scripts/source-hooks.mjs src/instrumentation.bench.ts` in this package.
 * Measured: this thread's CPU time inside the module, best of several tries, variants in turn (the machine may be busy).
 * That clock ticks every 4 ms, so each try takes at least 100. Left out: polls that are taken (a hundred a
 * second), the worker, the watchdog; larger programs, whose instruction cache feels the code's growth more.
 */
import { asyncify } from './asyncify.js';
import { EXPORT_RUN, HOST_MODULE, WASM_PAGE_BYTES } from './abi.js';
import { rewriteModule } from './rewrite.js';
import { compiled, RIG_LIMITS } from './wasm-rig.js';
import { freshState } from './wasi-state.js';
import { ProgramExit, WASI_NAMES, WasiSystem } from './wasi.js';
import { WASI_MODULE } from './wasi-signatures.js';

const KERNELS: readonly (readonly [name: string, turns: number])[] = [
  ['fib', 200], ['matrix', 80], ['sieve', 40], ['nbody', 80], ['mandelbrot', 24], ['qsort', 4], ['distance', 400], ['machine', 30], ['strings', 60],
];
const TRIES = 5;

async function timeMs(module: WebAssembly.Module, kernel: string, turns: number): Promise<number> {
  const shared = (initial: number, maximum = initial): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum, shared: true });
  const own = WebAssembly.Module.imports(module).some((i) => i.module === HOST_MODULE);
  const memories = { memory: shared(64, RIG_LIMITS.memoryBytes / WASM_PAGE_BYTES), control: shared(1), stack: shared(17) };
  let memory = memories.memory;
  const system = (): WasiSystem => new WasiSystem(memory, freshState(1), { takeRecord: () => undefined, output() {}, diagnostics() {} }, ['bench', kernel, String(turns)], {});
  const wasi = Object.fromEntries(WASI_NAMES.map((name) => [name, (...args: (number | bigint)[]) => system().call(name, args)]));
  const instance = new WebAssembly.Instance(module, { [HOST_MODULE]: { ...memories, poll() {} }, [WASI_MODULE]: wasi });
  if (!own) memory = instance.exports['memory'] as WebAssembly.Memory;
  const run = instance.exports[own ? EXPORT_RUN : '_start'] as () => void;
  const begin = process.threadCpuUsage().user;
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof ProgramExit) || thrown.code !== 0) throw thrown;
  }
  return (process.threadCpuUsage().user - begin) / 1_000;
}

/** The least time of each module, ms: tries alternate between them, so that a busy moment hits none alone. */
async function best(modules: readonly WebAssembly.Module[], kernel: string, turns: number): Promise<number[]> {
  const least = modules.map(() => Infinity);
  for (let i = 0; i < TRIES; i++) for (const [m, module] of modules.entries()) least[m] = Math.min(least[m]!, await timeMs(module, kernel, turns));
  return least;
}

const bytes = await compiled('kernels', ['-fno-builtin']);
const parts = { stripMining: true, canonicalNans: true };
const variants: Record<string, Uint8Array> = {
  plain: bytes,
  'polls only': rewriteModule(bytes, RIG_LIMITS, parts).bytes,
  'a poll each turn': asyncify(rewriteModule(bytes, RIG_LIMITS, { stripMining: false, canonicalNans: false }).bytes),
  'strip-mined': asyncify(rewriteModule(bytes, RIG_LIMITS, { stripMining: true, canonicalNans: false }).bytes),
  '+ NaNs (shipped)': asyncify(rewriteModule(bytes, RIG_LIMITS, parts).bytes),
};
const names = Object.keys(variants);
const modules = await Promise.all(Object.values(variants).map((v) => WebAssembly.compile(v)));
process.stdout.write(`bytes      ${Object.values(variants).map((v) => String(v.length).padStart(17)).join('')}\n`);
process.stdout.write(`kernel     ${names.map((n) => n.padStart(17)).join('')}\n`);
const logs = names.map(() => 0);
for (const [kernel, turns] of KERNELS) {
  const times = await best(modules, kernel, turns);
  times.forEach((t, i) => { logs[i]! += Math.log(t / times[0]!); });
  process.stdout.write(`${kernel.padEnd(11)}${times.map((t, i) => (i === 0 ? `${t.toFixed(1)} ms` : `× ${(t / times[0]!).toFixed(2)}`).padStart(17)).join('')}\n`);
}
process.stdout.write(`mean       ${logs.map((l) => `× ${Math.exp(l / KERNELS.length).toFixed(2)}`.padStart(17)).join('')}\n`);
