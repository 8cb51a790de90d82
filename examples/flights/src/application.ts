/** What is registered: the application, its goal, its four threads; and the same programs for runs in this process. */
import type { NewApplication, NewThread } from '@godwit/client';
import { threadId, type DurationMs, type ShardId, type ThreadId } from '@godwit/kernel';
import type { ThreadLimits, ThreadProgram } from '@godwit/runtime';
import { type Programs, type ThreadName } from './programs.js';
import { sha256 } from './unmoved-run.js';

export const APPLICATION = 'flights';
/** The threads of an application share a shard, which is named after it. */
export const SHARD = APPLICATION as ShardId;
export const GOAL_MS: DurationMs = 500;
const CHECKPOINT_MS: DurationMs = 3_000;
const MIB = 1024 * 1024;
const SEED = 1;
/**
 * A day is 75 s long here, so a thread that has moved need not rest for the half minute that is right for real days.
 */
export const SERVICE_ENV = { 'migration-controller': { GODWIT_COOL_DOWN_MS: '8000' } } as const;

interface Wanted {
  readonly runtime: 'wasm' | 'task';
  readonly subscribes: readonly ThreadName[];
  readonly limits: ThreadLimits;
  /** First guess of its demand, until it has a history, cores. */
  readonly expectedCores: number;
  readonly nearThreads: readonly ThreadName[];
  readonly apartFromThreads: readonly ThreadName[];
  /** Only these devices, when not empty. */
  readonly devices: readonly string[];
}
const TASK_LIMITS: ThreadLimits = { memoryBytes: 2 * MIB, stackBytes: 64 * 1024, tableEntries: 64, safepointMs: 1_000 };
const WANTED: Readonly<Record<ThreadName, Wanted>> = {
  intake: { runtime: 'task', subscribes: [], limits: TASK_LIMITS, expectedCores: 0.02, nearThreads: [], apartFromThreads: [], devices: [] },
  network: { runtime: 'wasm', subscribes: ['intake'], limits: { ...TASK_LIMITS, memoryBytes: 4 * MIB }, expectedCores: 0.05, nearThreads: ['intake'], apartFromThreads: [], devices: [] },
  board: { runtime: 'task', subscribes: ['network'], limits: TASK_LIMITS, expectedCores: 0.02, nearThreads: ['intake'], apartFromThreads: [], devices: [] },
  // A statistic for later: it must never take CPU from the search.
  delays: { runtime: 'task', subscribes: ['intake'], limits: TASK_LIMITS, expectedCores: 0.02, nearThreads: [], apartFromThreads: ['network'], devices: ['d-medium'] },
};
/** A thread comes behind those whose outputs it consumes: the order of ending them. */
export const subscriptionsOf = (thread: ThreadName): readonly ThreadId[] => WANTED[thread].subscribes.map(threadId);
export const argsOf = (thread: ThreadName, assumptions: number): readonly string[] => (thread === 'network' ? ['network', String(assumptions)] : []);

/** As `POST /v1/applications` takes it. */
export const applicationJson = (): NewApplication => ({
  application: APPLICATION, description: 'A day of flights: where do delays spread?', goals: { responseMsP99: GOAL_MS },
});

/** As `POST /v1/threads` takes it. @param assumptions how many searches `network` makes for each flight. */
export function threadJson(thread: ThreadName, programSha256: string, assumptions: number): NewThread {
  const { runtime, subscribes, limits, expectedCores, nearThreads, apartFromThreads, devices } = WANTED[thread];
  return {
    thread, application: APPLICATION, runtime, programSha256, args: argsOf(thread, assumptions), seed: SEED, subscribes, deterministic: true,
    checkpointMs: CHECKPOINT_MS, limits: { ...limits, cpuCores: 1 }, expectedCores, affinity: { nearThreads, apartFromThreads, devices },
  };
}

/** The program as an agent would give it to a runner. */
export function threadProgram(thread: ThreadName, programs: Programs, assumptions: number, migratable?: Uint8Array): ThreadProgram {
  const bytes = programs[thread];
  return {
    thread: threadId(thread), runtime: WANTED[thread].runtime, bytes, sha256: sha256(bytes), args: argsOf(thread, assumptions), env: {}, seed: SEED,
    limits: WANTED[thread].limits, ...(thread === 'network' && migratable ? { migratable } : {}),
  };
}

