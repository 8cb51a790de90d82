/** After a run: everything that the journal holds of the application, and the same inputs run again in this process, unmoved. */
import { threadId, type DurationMs, type ThreadId } from '@godwit/kernel';
import type { Journal, JournalEntry } from '@godwit/journal';
import type { InputRecord } from '@godwit/runtime';
import { TaskRuntime } from '@godwit/task';
import { wasmRuntime } from '@godwit/wasm';
import { SHARD, subscriptionsOf, threadProgram, GOAL_MS } from './application.js';
import type { BoardLine } from './board-line.js';
import type { LiveState } from './live-state.js';
import { THREADS, type Programs, type ThreadName } from './programs.js';
import {
  checkChain, demandSeconds, latencies, overloadSeconds, passedAtMs, together, type JournalOutput, type ReplayResult, type RunAccount, type ThreadRow, type ThreadSecond,
} from './summary.js';
import { runUnmoved, sha256 } from './unmoved-run.js';

export const LOADED: ThreadName = 'network';

/** What one thread consumed and what it made, in the order of the stream. */
export interface ThreadRecords {
  readonly inputs: readonly InputRecord[];
  readonly outputs: readonly JournalOutput[];
}
export type Records = Readonly<Record<ThreadName, ThreadRecords>>;

/** One after the other: two cores are few. */
async function ofEach<T>(of: (thread: ThreadName) => Promise<T>): Promise<Readonly<Record<ThreadName, T>>> {
  return { intake: await of('intake'), network: await of('network'), board: await of('board'), delays: await of('delays') };
}

export async function readRecords(journal: Journal): Promise<Records> {
  return ofEach(async (thread) => ({ inputs: await readInputs(journal, thread), outputs: await readOutputs(journal, thread) }));
}

async function readInputs(journal: Journal, thread: ThreadName): Promise<InputRecord[]> {
  const reader = await journal.read({ shard: SHARD, thread: threadId(thread) }, { afterSeq: 0, subscribes: subscriptionsOf(thread) });
  const inputs: InputRecord[] = [];
  try {
    for await (const entry of reader) {
      const record = inputRecord(entry);
      inputs.push(record);
      if (record.end) break;
    }
  } finally {
    await reader.close();
  }
  return inputs;
}

/** As an agent feeds it. */
function inputRecord(entry: JournalEntry): InputRecord {
  if (entry.type === 'out') return { seq: entry.seq, atMs: entry.atMs, from: entry.thread, originMs: entry.record.originMs, messages: entry.record.messages, end: false };
  const { kind, messages } = entry.record;
  return { seq: entry.seq, atMs: entry.atMs, from: kind === 'timer' ? 'timer' : 'in', originMs: kind === 'message' ? entry.atMs : 0, messages, end: kind === 'end' };
}

async function readOutputs(journal: Journal, thread: ThreadName): Promise<JournalOutput[]> {
  const reader = await journal.readOutputs({ shard: SHARD, thread: threadId(thread) }, { afterN: 0, follow: false });
  const outputs: JournalOutput[] = [];
  try {
    for await (const { atMs, record } of reader) outputs.push({ ...record, atMs });
  } finally {
    await reader.close();
  }
  return outputs;
}

export type Replays = Readonly<Record<ThreadName, ReplayResult>>;

/** A fresh instance of each thread, here, fed with what the journal says it consumed; nothing is moved. */
export async function replay(records: Records, { programs, assumptions, migratable }: { readonly programs: Programs; readonly assumptions: number; readonly migratable: Uint8Array }): Promise<Replays> {
  return ofEach(async (thread) => {
    const program = threadProgram(thread, programs, assumptions, migratable);
    const { outputs, chainHash } = await runUnmoved(program.runtime === 'wasm' ? wasmRuntime() : new TaskRuntime(), program, records[thread].inputs);
    return { outputs, chainHash };
  });
}

export interface Observed {
  readonly policy: string;
  readonly flightsIn: number;
  readonly state: LiveState;
  readonly rows: ReadonlyMap<string, readonly ThreadRow[]>;
}

export function accountOf({ policy, flightsIn, state, rows }: Observed, records: Records, replays: Replays): RunAccount {
  const capacityOf = (device: string): number => state.devices.get(device)?.spec.cpuCores ?? Infinity;
  const secondsOf = (thread: ThreadName): ThreadSecond[] => demandSeconds(rows.get(thread) ?? []);
  const seconds = secondsOf(LOADED);
  const others = THREADS.filter((thread) => thread !== LOADED).map(secondsOf);
  const board = lastBoardLine(records.board.outputs);
  const decision = state.decisions.find(({ thread, action }) => thread === LOADED && action === 'migrate');
  const source = decision?.source ?? seconds[0]?.device;
  const neighbours = others.filter((other) => other.find(({ atMs }) => atMs + 1_000 > (decision?.atMs ?? 0))?.device === source);
  const passed = source === undefined ? undefined : passedAtMs(together([seconds, ...neighbours]), capacityOf(source));
  return {
    policy, goalMs: GOAL_MS, flightsIn, flightsCounted: board?.flights ?? 0, flightsMissing: board?.missing ?? 0, flightsRepeated: board?.repeated ?? 0,
    threads: THREADS.map((thread) => ({ thread, chain: checkChain(records[thread].outputs, sha256), replay: replays[thread], latencies: latencies(records[thread].outputs, GOAL_MS) })),
    loaded: LOADED, beganOn: seconds[0]?.device ?? 'no device', overloadSeconds: overloadSeconds(seconds, others, capacityOf), peakCores: peakOf(seconds), migrations: state.migrations,
    ...(decision ? { decidedAtMs: decision.atMs } : {}), ...(source === undefined ? {} : { source, sourceCores: capacityOf(source) }), ...(passed === undefined ? {} : { passedAtMs: passed }),
  };
}

const peakOf = (seconds: readonly ThreadSecond[]): number => seconds.reduce((most, { demandCores }, i) => Math.max(most, (demandCores + (seconds[i + 1]?.demandCores ?? demandCores)) / 2), 0);

function lastBoardLine(outputs: readonly JournalOutput[]): BoardLine | undefined {
  const messages = outputs.flatMap((output) => output.messages.filter(({ kind }) => kind === 'board'));
  const last = messages.at(-1);
  return last && (JSON.parse(new TextDecoder().decode(last.payload)) as BoardLine);
}

const END_LIMIT_MS: DurationMs = 60_000;

/** Resolves when the thread's last output, which carries its exit code, is in the journal. @throws Error when that takes longer than a minute. */
export async function whenExited(journal: Journal, thread: ThreadName | ThreadId): Promise<void> {
  const at = { shard: SHARD, thread: threadId(thread) };
  const { outN } = await journal.tail(at);
  const reader = await journal.readOutputs(at, { afterN: Math.max(0, outN - 1), follow: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void reader.close();
  }, END_LIMIT_MS);
  try {
    for await (const { record } of reader) if (record.exit) return;
  } finally {
    clearTimeout(timer);
    if (!late) await reader.close();
  }
  throw new Error(`${thread} did not come to its end within ${END_LIMIT_MS / 1_000} s`);
}
