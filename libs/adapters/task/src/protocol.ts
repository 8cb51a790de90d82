/** What the main thread and the worker say to each other, and the counters that they share. Both sides are ours. */
import type { Refusal } from '@godwit/kernel';
import type { InputRecord } from '@godwit/runtime';

/** `Float64Array` on shared memory: the worker writes, the main thread reads without asking. */
export const COUNTERS = {
  /** Number of the stretch of the program's code that executes now; 0 while none does. */
  running: 0,
  cpuSeconds: 1,
  /** Handlers ended and safepoints awaited. */
  polls: 2,
  heldSeconds: 3,
  /** Size of the state when it was last encoded. */
  stateBytes: 4,
  consumedRecords: 5,
} as const;
export const COUNTERS_BYTES = 6 * Float64Array.BYTES_PER_ELEMENT;

export interface WorkerStart {
  readonly thread: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly program: Uint8Array;
  readonly memoryBytes: number;
  /** Longest time that evaluating the module may take, ms. */
  readonly evaluateMs: number;
  readonly counters: SharedArrayBuffer;
}

export interface ProgramIdentity {
  readonly name: string;
  readonly version: string;
  readonly deterministic: boolean;
}

/** Kind and bytes: a message on its way. */
export interface WireMessage { readonly kind: string; readonly payload: Uint8Array }

/** A record of which the program has seen a part: what is left of it, and what was emitted but not yet cut. */
export interface OpenRecord {
  readonly seq: number;
  readonly originMs: number;
  readonly from: string;
  readonly messages: readonly WireMessage[];
  /** The tick, or the end, of this record is still to be served. */
  readonly tick: boolean;
  readonly end: boolean;
  readonly emits: readonly WireMessage[];
}

/** The worker's part of a snapshot. */
export interface WorkerState {
  readonly state: Uint8Array;
  readonly cursorSeq: number;
  readonly recordMs: number;
  readonly clockPolls: number;
  readonly random: Uint8Array;
  readonly ended: boolean;
  readonly open?: OpenRecord;
}

/** Answered by one `Reply` with the same id. */
export type Request =
  | { readonly type: 'start' }
  | { readonly type: 'restore'; readonly from: WorkerState }
  | { readonly type: 'freeze' }
  | { readonly type: 'snapshot' };
export type Command =
  | { readonly type: 'request'; readonly id: number; readonly request: Request }
  | { readonly type: 'feed'; readonly records: readonly InputRecord[] }
  | { readonly type: 'resume' }
  | { readonly type: 'duty'; readonly ratio: number };

export type Answer = 'done' | WorkerState | Refusal;

/** An output before it is numbered and chained. */
export interface UnchainedOutput {
  readonly causedBySeq: number;
  readonly originMs: number;
  readonly messages: readonly WireMessage[];
  readonly exit?: { readonly code: number };
}

export type Report =
  | { readonly type: 'loaded'; readonly identity: ProgramIdentity }
  | { readonly type: 'not-loaded'; readonly refusal: Refusal }
  | { readonly type: 'reply'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'progress'; readonly consumedSeq?: number; readonly outputs: readonly UnchainedOutput[]; readonly traces: Readonly<Record<string, number>> }
  | { readonly type: 'log'; readonly text: string }
  | { readonly type: 'fault'; readonly refusal: Refusal };
