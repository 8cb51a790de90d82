/**
 * What it costs a program to be migratable: `npm run bench -- instrumentation`; programs in C, plain and instrumented, in
 * one run of less than four minutes. For some programs only, or with the parts of the instrumentation one by one, in this
 * package: `npx node --conditions=@godwit/source --import ./scripts/source-hooks.mjs src/instrumentation.bench.ts [parts] [programs…]`.
 *
 * Measured: CPU time of this thread inside the module. Each program first runs until V8 has optimised it, then in rounds,
 * every variant once in each, in another order each time; of a variant's rounds the least counts. A variant whose output
 * differs from the plain one's ends the run.
 *
 *   no polls       the module as it would be for a thread that may be stopped only where it waits for input
 *   shipped        what `ensureMigratable` makes for a memory of at most 64 MiB
 *   tracked        what it makes for larger ones, which mark each write
 *   after a move   the same, stopped early and gone on with: much of it in the second form of the frames
 *   Asyncify       Binaryen's, with a poll in each turn of every loop, both at their best level of optimisation
 *
 * Left out: polls that are taken (a hundred a second), the worker, the watchdog; larger programs, whose instruction cache
 * feels the code's growth more.
 */
import { EXPORT_NEXT, EXPORT_RESUME, EXPORT_RUN, EXPORT_SAVED, EXPORT_UNWIND, HOST_MODULE, savingBase, STACK_BASE, WASM_PAGE_BYTES } from './abi.js';
import { asyncified } from './asyncify-rig.js';
import { ALL_PARTS, rewriteModule, type RewriteParts } from './rewrite.js';
import { compiled, keptOf, RIG_LIMITS } from './wasm-rig.js';
import { freshState } from './wasi-state.js';
import { ProgramExit, WASI_NAMES, WasiSystem } from './wasi.js';
import { WASI_MODULE } from './wasi-signatures.js';

const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  kernels: ['fib', 'matrix', 'sieve', 'nbody', 'mandelbrot', 'qsort', 'distance', 'machine', 'strings'],
  workloads: ['sha256', 'queens', 'life', 'lz', 'table', 'json'],
};
const ROUNDS = 6;
/** How long one run of a plain program shall take, ms, and the runs until it is optimised. */
const RUN_MS = 40;
const WARM_RUNS = 2;
const MEAN_GOAL = 1.15;
const FIRST_MEAN_GOAL = 1.3;
const WORST_GOAL = 1.5;
const STACK_PAGES = Math.ceil((savingBase(RIG_LIMITS.stackBytes) + RIG_LIMITS.stackBytes) / WASM_PAGE_BYTES);

interface Timed {
  readonly ms: number;
  readonly output: string;
}
interface Variant {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly bytes: number;
  /** As a module of ours, to be run by its own entry. */
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

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

function time({ module, instrumented, moved }: Variant, kernel: string, turns: number): Timed {
  const shared = (initial: number, maximum = initial): WebAssembly.Memory => new WebAssembly.Memory({ initial, maximum, shared: true });
  const memories = { memory: shared(64, RIG_LIMITS.memoryBytes / WASM_PAGE_BYTES), control: shared(1), stack: shared(STACK_PAGES), cards: shared(1) };
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
  const instance: WebAssembly.Instance = new WebAssembly.Instance(module, { [HOST_MODULE]: { ...memories, poll }, [WASI_MODULE]: wasi, bench: { poll } });
  if (!instrumented) memory = instance.exports['memory'] as WebAssembly.Memory;
  const start = instance.exports[instrumented ? EXPORT_RUN : '_start'] as () => void;
  if (instrumented) (instance.exports[EXPORT_SAVED] as WebAssembly.Global).value = savingBase(RIG_LIMITS.stackBytes);
  attention[0] = moved ? 1 : 0;
  const begin = cpuMs();
  try {
    if (moved) stopOnce(instance, memories.stack, start);
    (moved ? instance.exports[EXPORT_RESUME] as () => void : start)();
  } catch (thrown) {
    if (!(thrown instanceof ProgramExit) || thrown.code !== 0) throw thrown;
  }
  systemOf().cut(0);
  return { ms: cpuMs() - begin, output };
}

/** So many turns of a program that a plain run takes about `RUN_MS`. */
function turnsFor(plain: Variant, kernel: string): number {
  for (let turns = 1; ;) {
    const ms = Math.min(...[1, 2, 3].map(() => time(plain, kernel, turns).ms));
    if (ms >= RUN_MS * 0.7) return turns;
    turns = Math.ceil(turns * Math.min(10, (RUN_MS * 1.1) / ms));
  }
}

/** The least time of each variant, ms. */
function best(variants: readonly Variant[], kernel: string): number[] {
  const turns = turnsFor(variants[0]!, kernel);
  const expected = time(variants[0]!, kernel, turns).output;
  const run = (variant: Variant): number => {
    const { ms, output } = time(variant, kernel, turns);
    if (output !== expected || output === '') throw new Error(`${kernel} ${variant.name}: ${output}, and plain ${expected}`);
    return ms;
  };
  for (const variant of variants) for (let i = 0; i < WARM_RUNS; i++) run(variant);
  const least = variants.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++) {
    variants.forEach((_, i) => {
      const v = (i * (round % 2 === 0 ? 1 : variants.length - 1) + round) % variants.length;
      least[v] = Math.min(least[v]!, run(variants[v]!));
    });
  }
  return least;
}

async function variantsOf(bytes: Uint8Array, parts: boolean): Promise<Variant[]> {
  const made = (which: Partial<RewriteParts>): Uint8Array => rewriteModule(bytes, RIG_LIMITS, { ...ALL_PARTS, ...which }).bytes;
  const shipped = made({});
  const all: (readonly [name: string, code: Uint8Array, instrumented: boolean, moved?: boolean])[] = [
    ['plain', bytes, false], ['no polls', made({ polls: false }), true], ['shipped', shipped, true], ['tracked', made({ tracksWrites: true }), true], ['after a move', shipped, true, true], ['Asyncify', await keptOf(bytes, 'asyncify', () => asyncified(bytes)), false],
  ];
  if (parts) {
    all.push(['bare', made({ polls: false, canonicalNans: false }), true], ['no NaNs', made({ canonicalNans: false }), true],
      ['poll each turn', made({ stripMining: false, canonicalNans: false }), true]);
  }
  return Promise.all(all.map(async ([name, code, instrumented, moved = false]) => ({ name, module: await WebAssembly.compile(code), bytes: code.length, instrumented, moved })));
}

const given = process.argv.slice(2);
const only = given.filter((word) => word !== 'parts');
const logs: number[][] = [];
const row = (head: string, cells: readonly string[]): void => { process.stdout.write(`${head.padEnd(11)}${cells.map((c) => c.padStart(14)).join('')}\n`); };
let names: readonly string[] = [];
for (const [file, kernels] of Object.entries(PROGRAMS)) {
  const chosen = kernels.filter((kernel) => only.length === 0 || only.includes(kernel));
  if (chosen.length === 0) continue;
  const variants = await variantsOf(await compiled(file, ['-fno-builtin']), given.includes('parts'));
  names = variants.map((v) => v.name);
  row(file, names);
  row('code', variants.map((v, i) => (i === 0 ? `${v.bytes} bytes` : `× ${(v.bytes / variants[0]!.bytes).toFixed(2)}`)));
  for (const kernel of chosen) {
    const times = best(variants, kernel);
    logs.push(times.map((t) => Math.log(t / times[0]!)));
    row(kernel, times.map((t, i) => (i === 0 ? `${t.toFixed(0)} ms` : `× ${(t / times[0]!).toFixed(2)}`)));
  }
}
const means = names.map((_, v) => Math.exp(logs.reduce((sum, l) => sum + l[v]!, 0) / logs.length));
const worst = names.map((_, v) => Math.exp(Math.max(...logs.map((l) => l[v]!))));
row(`mean of ${logs.length}`, means.map((mean) => `× ${mean.toFixed(3)}`));
row('worst', worst.map((ratio) => `× ${ratio.toFixed(2)}`));
const verdict = (ratio: number, goal: number): string => `× ${ratio.toFixed(3)}, goal × ${goal}: ${ratio <= goal ? 'met' : 'missed'}`;
for (const name of ['shipped', 'tracked']) {
  const v = names.indexOf(name);
  process.stdout.write(`${name}: geometric mean ${verdict(means[v]!, MEAN_GOAL)} (first goal × ${FIRST_MEAN_GOAL}: ${means[v]! <= FIRST_MEAN_GOAL ? 'met' : 'missed'}); worst ${verdict(worst[v]!, WORST_GOAL)}\n`);
}
