/**
 * The journal port. Lives here; `adapters/nats` implements it, and the simulator will; one contract suite runs on both.
 *
 * Invariants:
 *  J1. Every `out`, `ck` and `intent` append names the owner record that it rests on, and the broker refuses it when a
 *      newer one exists. There is no check on this side that a late process could slip past.
 *  J2. Records are create-only. A repeated append is recognised by its number and its hash.
 *  J3. One append in flight per thread. A refusal or a timeout is resolved by reading, never guessed.
 *  J4. An acknowledged append is on disk.
 */
import type { Refusal, RequestId, Sha256, ShardId, ThreadId } from '@godwit/kernel';
import type { ThreadOutput } from '@godwit/snapshot';
import type { CheckpointRecord, InRecord, IntentRecord, JournalEntry, OutRecord, OwnRecord, Stored, ThreadAddress } from './records.js';

/** What the appends of one ownership rest on. */
export interface Fence {
  readonly epoch: number;
  /** Stream sequence of the owner record. */
  readonly ownSeq: number;
}

/**
 * `appended`: it is there now. `repeated`: it was there already, with the same content.
 * `fenced`: a newer owner record exists; the caller no longer owns the thread and must stop executing it.
 * `diverged`: that number holds other content; the thread is not deterministic, stop and alarm.
 */
export type AppendOutcome =
  | { readonly result: 'appended'; readonly seq: number }
  | { readonly result: 'repeated'; readonly seq: number }
  | { readonly result: 'fenced'; readonly newest: Stored<OwnRecord> }
  | { readonly result: 'diverged'; readonly refusal: Refusal };

/** `lost`: someone else appended the next owner record first; `newest` is theirs. */
export type OwnOutcome =
  | { readonly result: 'appended'; readonly own: Stored<OwnRecord> }
  | { readonly result: 'lost'; readonly newest: Stored<OwnRecord> | undefined };

/** The end of a thread's own records. */
export interface ThreadTail {
  readonly outN: number;
  /** Hash of output `outN`; 64 zeros when there is none. */
  readonly chainHash: Sha256;
  /** Newest checkpoint number, 0 when there is none. */
  readonly k: number;
}

/** Reads a thread's inputs and the outputs that it subscribes to, in the order of the stream, from a cursor on. */
export interface JournalReader extends AsyncIterable<JournalEntry> {
  /** Records that match and lie beyond the last one handed out, as the broker last said. */
  pending(): number;
  close(): Promise<void>;
}

/** Appends on behalf of one ownership. At most one append is in flight; what is queued meanwhile goes as one batch. */
export interface FencedAppender {
  readonly fence: Fence;
  /**
   * Queues outputs, numbered without a gap. Resolves when they are on disk (or were already).
   * @throws OperationError('connection-lost' | 'timeout', effect 'unknown') only when the broker stays silent longer than the limit.
   */
  appendOutputs(outputs: readonly ThreadOutput[]): Promise<AppendOutcome>;
  appendCheckpoint(record: Omit<CheckpointRecord, 'epoch'>): Promise<AppendOutcome>;
  appendIntent(record: Omit<IntentRecord, 'epoch'>): Promise<AppendOutcome>;
  /** A tick of the thread's own timer. */
  appendTimer(requestId: RequestId): Promise<AppendOutcome>;
  /** Outputs queued or in flight. */
  readonly backlog: number;
  /** How many appends the broker has refused because of the fence: a zombie's count. */
  readonly refusedAppends: number;
  close(): void;
}

export interface Journal {
  /** Creates the shard's stream, or checks that the present one has what the journal rests on. */
  ensureShard(shard: ShardId): Promise<void>;
  /** `duplicate` when the request id was there already; with other content it is a Refusal('conflict'). */
  appendInput(at: ThreadAddress, record: InRecord): Promise<{ readonly seq: number; readonly duplicate: boolean } | Refusal>;
  newestOwn(at: ThreadAddress): Promise<Stored<OwnRecord> | undefined>;
  /** The owner record of this epoch. They are never purged: what became of a migration can be read for ever. */
  ownOf(at: ThreadAddress, epoch: number): Promise<Stored<OwnRecord> | undefined>;
  /** Appends the next owner record; wins only if the newest is still the one that the caller saw (`expectedSeq`, 0 for none). */
  appendOwn(at: ThreadAddress, expectedSeq: number, record: OwnRecord): Promise<OwnOutcome>;
  fencedAppender(at: ThreadAddress, fence: Fence): FencedAppender;
  /** Reads after the owner record was adopted, never before (R1 of RELIABILITY 2.2). */
  tail(at: ThreadAddress): Promise<ThreadTail>;
  /** Newest first, at most `limit`. */
  checkpoints(at: ThreadAddress, limit: number): Promise<Stored<CheckpointRecord>[]>;
  newestIntent(at: ThreadAddress): Promise<Stored<IntentRecord> | undefined>;
  /** @param afterSeq the input cursor; reading begins behind it. @param subscribes producers of the same shard. */
  read(at: ThreadAddress, options: { readonly afterSeq: number; readonly subscribes: readonly ThreadId[]; readonly batch?: number }): Promise<JournalReader>;
  /** Outputs after number `afterN`, in order; ends when `follow` is false and the end is reached. */
  readOutputs(at: ThreadAddress, options: { readonly afterN: number; readonly follow: boolean }): Promise<AsyncIterable<Stored<OutRecord>> & { close(): Promise<void> }>;
  /** Removes a thread's `in` and `out` records up to the given marks, in slices. Marks come from `purgeMarks`. */
  purge(at: ThreadAddress, marks: { readonly inputsBelowSeq: number; readonly outputsBelowSeq: number; readonly checkpointsBelow: number }): Promise<{ readonly purged: number }>;
  lastSeq(shard: ShardId): Promise<number>;
}
