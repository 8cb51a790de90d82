/**
 * How many searches may `network` make for each flight, so that the busy hours need a given number of cores on *this*
 * machine? Without it, the example would show nothing on a fast machine, and nothing but lateness on a slow one.
 */
import { Worker } from 'node:worker_threads';
import { isRefusal, OperationError } from '@godwit/kernel';
import type { InputRecord, ThreadLimits } from '@godwit/runtime';
import { TaskRuntime } from '@godwit/task';
import { ensureMigratable, wasmRuntime } from '@godwit/wasm';
import { threadProgram } from './application.js';
import type { Day } from './day.js';
import type { Programs } from './programs.js';
import { runUnmoved } from './unmoved-run.js';

export interface Calibration {
  /** The program's argument. */
  readonly assumptions: number;
  /** What the busy hours then need, cores. */
  readonly busyCores: number;
  /** `network`, instrumented. */
  readonly migratable: Uint8Array;
}

/** Mean demand of the busy hours: above what the small device has, below what the large one has, with room for bursts on both sides. */
export const BUSY_CORES = 0.42;
/** Part of the day that is measured: the graph is full from its beginning on. As shares of the day. */
const MEASURED = { from: 11.5 / 24, to: 13 / 24 };
const PROBE_ASSUMPTIONS = 4;

/** Runs the first half of the day twice in this process, with no search and with a few, as fast as it goes. */
export async function calibrate(programs: Programs, day: Day, busyCores: number = BUSY_CORES): Promise<Calibration> {
  const migratable = await instrumented(programs);
  const slots = day.slots.filter(({ afterMs }) => afterMs < MEASURED.to * day.lengthMs);
  const raw = records(slots.map(({ csv }) => csv));
  const { made } = await runUnmoved(new TaskRuntime(), threadProgram('intake', programs, 0), raw);
  const normalised = made.flatMap(({ messages }) => messages.map(({ payload }) => new TextDecoder().decode(payload)));
  const first = slots.findIndex(({ afterMs }) => afterMs >= MEASURED.from * day.lengthMs);
  const spanSeconds = ((MEASURED.to - MEASURED.from) * day.lengthMs) / 1_000;
  const cores = async (assumptions: number): Promise<number> => {
    const { cpuSecondsAt, cpuSeconds } = await runUnmoved(wasmRuntime(), threadProgram('network', programs, assumptions, migratable), records(normalised));
    return (cpuSeconds - cpuSecondsAt[first]!) / spanSeconds;
  };
  const [none, probe] = await besideAnother(async () => [await cores(0), await cores(PROBE_ASSUMPTIONS)] as const);
  const perAssumption = (probe - none) / PROBE_ASSUMPTIONS;
  const assumptions = Math.max(1, Math.round((busyCores - none) / perAssumption));
  return { assumptions, busyCores: none + assumptions * perAssumption, migratable };
}

/**
 * Runs `measure` while another core computes. Work costs up to half as much CPU time again when its neighbour is busy, as it is
 * when all of Godwit runs; measured alone, the load would come out that much too high, and differ from run to run.
 */
async function besideAnother<T>(measure: () => Promise<T>): Promise<T> {
  const neighbour = new Worker('const a = new Float64Array(1 << 16); for (let i = 0; ; i++) a[(i * 40503) & 65535] += Math.sqrt(i);', { eval: true });
  try {
    return await measure();
  } finally {
    await neighbour.terminate();
  }
}

async function instrumented(programs: Programs): Promise<Uint8Array> {
  const { limits }: { readonly limits: ThreadLimits } = threadProgram('network', programs, 0);
  const migratable = await ensureMigratable(programs.network, limits);
  if (isRefusal(migratable)) throw new OperationError(migratable.code, `network: ${migratable.reason}`, { effect: 'none' });
  return migratable;
}

/** Any time will do: the programs do not look at the clock. */
const FIRST_MS = 1_000_000_000_000;
function records(texts: readonly string[]): InputRecord[] {
  const at = (index: number): Pick<InputRecord, 'seq' | 'atMs' | 'originMs' | 'from'> => ({ seq: index + 1, atMs: FIRST_MS + index, originMs: FIRST_MS + index, from: 'in' });
  const encoder = new TextEncoder();
  return [
    ...texts.map((text, index) => ({ ...at(index), messages: [{ kind: '', payload: encoder.encode(text) }], end: false })),
    { ...at(texts.length), messages: [], end: true },
  ];
}
