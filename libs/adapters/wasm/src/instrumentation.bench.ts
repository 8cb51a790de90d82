/**
 * What the instrumentation costs: programs in C, plain and instrumented, in one run. Run it in this package with
 * `npx node --conditions=@godwit/source --import ./scripts/source-hooks.mjs src/instrumentation.bench.ts [programs…]`.
 * Measured: this thread's CPU time inside the module, the least of several tries, variants in turn (the machine may be
 * busy); a variant whose output differs from the plain one's ends the run. That clock ticks every 4 ms, so each try takes at
 * least 100. Left out: polls that are taken (a hundred a second), the worker, the watchdog; larger programs, whose
 * instruction cache feels the code's growth more. `after a move`: run behind a freeze in mid-run, most of it in the frames'
 * second form.
 */
import { EXPORT_NEXT, EXPORT_RESUME, EXPORT_RUN, EXPORT_SAVED, EXPORT_UNWIND, HOST_MODULE, savingBase, STACK_BASE, WASM_PAGE_BYTES } from './abi.js';
import { rewriteModule } from './rewrite.js';
import { compiled, RIG_LIMITS } from './wasm-rig.js';
import { freshState } from './wasi-state.js';
import { ProgramExit, WASI_NAMES, WasiSystem } from './wasi.js';
import { WASI_MODULE } from './wasi-signatures.js';

const PROGRAMS: Readonly<Record<string, readonly (readonly [name: string, turns: number])[]>> = {
  kernels: [['fib', 300], ['matrix', 80], ['sieve', 40], ['nbody', 80], ['mandelbrot', 24], ['qsort', 3], ['distance', 400], ['machine', 30], ['strings', 60]],
  workloads: [['sha256', 300], ['queens', 5000], ['life', 60], ['lz', 300], ['table', 150], ['json', 300]],
};
const TRIES = 5;
const STACK_PAGES = Math.ceil((savingBase(RIG_LIMITS.stackBytes) + RIG_LIMITS.stackBytes) / WASM_PAGE_BYTES);

interface Timed {
  readonly ms: number;
  readonly output: string;
}
interface Variant {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly instrumented: boolean;
  /** Stops once early in the run, and times what comes after. */
  readonly moved: boolean;
}

/** Leaves the program in `poll` and puts what was saved where `resume` finds it. */
function stopOnce(instance: WebAssembly.Instance, stack: WebAssembly.Memory, run: () => void): void {
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof WebAssembly.Exception)) throw thrown;
  }
  const saved = instance.exports[EXPORT_SAVED] as WebAssembly.Global;
  const bytes = new Uint8Array(stack.buffer);
  bytes.copyWithin(STACK_BASE, savingBase(RIG_LIMITS.stackBytes), saved.value);
  new Uint32Array(stack.buffer, 0, 1)[0] = STACK_BASE + saved.value - savingBase(RIG_LIMITS.stackBytes);
  saved.value = savingBase(RIG_LIMITS.stackBytes);
  (instance.exports[EXPORT_NEXT] as WebAssembly.Global).value = STACK_BASE;
}

function time({ module, instrumented, moved }: Variant, kernel: string, turns: number): Timed {
  const shared = (initial: number, maximum = initial): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum, shared: true });
  const memories = { memory: shared(64, RIG_LIMITS.memoryBytes / WASM_PAGE_BYTES), control: shared(1), stack: shared(STACK_PAGES) };
  const attention = new Int32Array(memories.control.buffer);
  let memory = memories.memory;
  let output = '';
  let system: WasiSystem | undefined;
  const systemOf = (): WasiSystem => system ??= new WasiSystem(memory, freshState(1), {
    takeRecord: () => undefined, diagnostics() {}, output: ({ bytes }) => { output += Buffer.from(bytes).toString(); },
  }, ['bench', kernel, String(turns)], {});
  const wasi = Object.fromEntries(WASI_NAMES.map((name) => [name, (...args: (number | bigint)[]) => systemOf().call(name, args)]));
  let polls = 0;
  const poll = (): void => {
    if (++polls < 2_000) return;
    attention[0] = 0;
    throw new WebAssembly.Exception(instance.exports[EXPORT_UNWIND] as WebAssembly.Tag, []);
  };
  const instance: WebAssembly.Instance = new WebAssembly.Instance(module, { [HOST_MODULE]: { ...memories, poll }, [WASI_MODULE]: wasi });
  if (!instrumented) memory = instance.exports['memory'] as WebAssembly.Memory;
  const start = instance.exports[instrumented ? EXPORT_RUN : '_start'] as () => void;
  if (instrumented) (instance.exports[EXPORT_SAVED] as WebAssembly.Global).value = savingBase(RIG_LIMITS.stackBytes);
  attention[0] = moved ? 1 : 0;
  const begin = process.threadCpuUsage().user;
  try {
    if (moved) stopOnce(instance, memories.stack, start);
    (moved ? instance.exports[EXPORT_RESUME] as () => void : start)();
  } catch (thrown) {
    if (!(thrown instanceof ProgramExit) || thrown.code !== 0) throw thrown;
  }
  systemOf().cut(0);
  return { ms: (process.threadCpuUsage().user - begin) / 1_000, output };
}

/** The least time of each variant, ms: tries alternate between them, so that a busy moment hits none alone. */
function best(variants: readonly Variant[], kernel: string, turns: number): number[] {
  const least = variants.map(() => Infinity);
  let expected: string | undefined;
  for (let i = 0; i < TRIES; i++) for (const [v, variant] of variants.entries()) {
    const { ms, output } = time(variant, kernel, turns);
    expected ??= output;
    if (output !== expected || output === '') throw new Error(`${kernel} ${variant.name}: ${output}, and plain ${expected}`);
    least[v] = Math.min(least[v]!, ms);
  }
  return least;
}

async function variantsOf(bytes: Uint8Array): Promise<(Variant & { bytes: number })[]> {
  const made = (parts: { polls: boolean; stripMining: boolean; canonicalNans: boolean }): Uint8Array => rewriteModule(bytes, RIG_LIMITS, parts).bytes;
  const shipped = made({ polls: true, stripMining: true, canonicalNans: true });
  const all: readonly (readonly [string, Uint8Array, boolean, boolean])[] = [
    ['plain', bytes, false, false],
    ['shared memory', made({ polls: false, stripMining: false, canonicalNans: false }), true, false],
    ['poll each turn', made({ polls: true, stripMining: false, canonicalNans: false }), true, false],
    ['no NaNs', made({ polls: true, stripMining: true, canonicalNans: false }), true, false],
    ['shipped', shipped, true, false],
    ['after a move', shipped, true, true],
  ];
  return Promise.all(all.map(async ([name, code, instrumented, moved]) => ({ name, module: await WebAssembly.compile(code), bytes: code.length, instrumented, moved })));
}

const only = process.argv.slice(2);
const logs: number[][] = [];
const row = (head: string, cells: readonly string[]): void => { process.stdout.write(`${head.padEnd(11)}${cells.map((c) => c.padStart(15)).join('')}\n`); };
for (const [file, kernels] of Object.entries(PROGRAMS)) {
  const variants = await variantsOf(await compiled(file, ['-fno-builtin']));
  row(file, variants.map((v) => v.name));
  row('bytes', variants.map((v) => String(v.bytes)));
  for (const [kernel, turns] of kernels) {
    if (only.length > 0 && !only.includes(kernel)) continue;
    const times = best(variants, kernel, turns);
    logs.push(times.map((t) => Math.log(t / times[0]!)));
    row(kernel, times.map((t, i) => (i === 0 ? `${t.toFixed(0)} ms` : `× ${(t / times[0]!).toFixed(2)}`)));
  }
}
row(`mean of ${logs.length}`, logs[0]!.map((_, v) => `× ${Math.exp(logs.reduce((sum, l) => sum + l[v]!, 0) / logs.length).toFixed(3)}`));
row('worst', logs[0]!.map((_, v) => `× ${Math.exp(Math.max(...logs.map((l) => l[v]!))).toFixed(2)}`));
