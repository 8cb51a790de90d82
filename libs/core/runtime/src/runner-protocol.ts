/**
 * What an agent and a runner say to each other over the child-process channel (structured clone, in order, no network).
 * The runner has no credentials: it hands outputs to the agent, which appends for it.
 *
 * Every request has an id and exactly one reply; outputs made before a freeze arrive before the freeze's reply.
 */
import type { Refusal, Sha256 } from '@godwit/kernel';
import type { ThreadOutput } from '@godwit/snapshot';
import type { InputRecord, RuntimeSample, ThreadProgram } from './runtime.js';

/** Where the thread stands in its streams: what a checkpoint manifest needs. */
export interface SnapshotMark {
  readonly cursorSeq: number;
  readonly outN: number;
  readonly chainHash: Sha256;
  /** SHA-256 of the encoded snapshot. */
  readonly digest: Sha256;
  readonly bytes: number;
}
/** A snapshot that was restored brings back outputs that may not be in the journal yet. */
export interface RestoredMark extends SnapshotMark {
  readonly pendingOutputs: readonly ThreadOutput[];
}

/** What a live copy has come to; told after each round. */
export interface CopyProgress {
  /** `ready`: a freeze now would be inside the budget; rounds go on until it comes. The last two end the copy. */
  readonly state: 'copying' | 'ready' | 'refused' | 'failed';
  /** Rounds so far. */
  readonly rounds: number;
  readonly imageBytes: number;
  /** Of the last round. */
  readonly dirtyBytes: number;
  /** Over the link, all rounds together. */
  readonly wireBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyBytesPerSecond: number;
  /** Share of its speed at which the thread is let run, so that the rounds converge. */
  readonly dutyRatio: number;
  readonly forecastFreezeMs?: number;
  /** Why, for `refused` and `failed`. */
  readonly refusal?: Refusal;
}
/** `digest` is that of the state (see `stateDigest`), `bytes` what went over the link. */
export interface CopiedMark extends SnapshotMark {
  readonly rounds: number;
  /** What was copied while the thread stood still. */
  readonly frozenBytes: number;
}

export interface CapturedMark {
  readonly cursorSeq: number;
  readonly outN: number;
  readonly chainHash: Sha256;
}
export interface EncodedCheckpoint {
  /** The bytes of one part, see `checkpoint-part.ts` of @godwit/snapshot. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Of the state. */
  readonly digest: Sha256;
  /** 0: it is a base. */
  readonly parent: number;
  /** Bytes of blocks that changed since the checkpoint before; absent when there was none. */
  readonly dirtyBytes?: number;
}
/** What a shadow has come to hold. `ageMs`: from the freeze of that checkpoint until it was sent, by the source's clock. */
export interface ShadowProgress {
  readonly state: 'following' | 'cut-off';
  readonly k: number;
  readonly epoch: number;
  readonly digest: Sha256 | '';
  readonly cursorSeq: number;
  readonly outN: number;
  readonly stateBytes: number;
  readonly ageMs: number;
  /** Why, for `cut-off`. */
  readonly reason?: string;
}
/** What the shadow has acknowledged; or why it is fed no more. */
export interface FeedProgress {
  readonly state: 'following' | 'ended';
  readonly k: number;
  readonly reason?: string;
}

export interface RunnerRequests {
  prepare: { request: { readonly program: ThreadProgram }; reply: null };
  start: { request: object; reply: null };
  /** From a checkpoint: its parts in order, each verified by the caller; refused when the state has not that digest. */
  restore: { request: { readonly parts: readonly Uint8Array[]; readonly digest: Sha256 }; reply: RestoredMark };
  /**
   * Takes a copy from the socket that comes with the message, rebuilds the state, answers with the digest of what it holds.
   * A live copy where the runtime has an image (then its `digest` is a state's, and `bytes` those of the state), else a snapshot.
   */
  receive: { request: { readonly maxBytes: number; readonly timeoutMs: number }; reply: RestoredMark };
  freeze: { request: object; reply: null };
  /** Before the freeze of a checkpoint, while the thread runs: what can be done already. */
  'checkpoint-begin': { request: object; reply: null };
  /** While frozen: copies aside what the checkpoint needs, and no more. */
  capture: { request: { readonly pendingOutputs: readonly ThreadOutput[] }; reply: CapturedMark };
  /** The thread runs again: encodes what was captured as checkpoint `k`; as a delta upon `parent` where that is known here. */
  encode: { request: { readonly k: number; readonly parent: number }; reply: EncodedCheckpoint };
  /** Gives every checkpoint that is durable to the shadow at the other end of the socket, beginning with `k`, which is. */
  'shadow-feed': { request: { readonly k: number; readonly epoch: number }; reply: null };
  /** Checkpoint `k` is durable, or is still what the thread's state comes to. */
  'shadow-durable': { request: { readonly k: number; readonly epoch: number }; reply: null };
  /** Of a staged thread: holds what comes from the socket, until it is started or ended; tells of it (`shadow`). `silenceMs`: without a word for so long the source counts as gone. */
  'shadow-follow': { request: { readonly maxBytes: number; readonly silenceMs: number }; reply: null };
  /** Rebuilds the thread from what it holds, if that is checkpoint `k` with this digest, and leaves it frozen. */
  'shadow-promote': { request: { readonly k: number; readonly digest: Sha256 }; reply: RestoredMark };
  /**
   * Begins to copy to the socket that comes with the message, while the thread runs; answers at once, and tells how it
   * goes (`copy`). A runtime without an image has nothing to copy before the freeze: `ready` at once.
   */
  'copy-begin': { request: { readonly freezeBudgetMs: number; readonly timeoutMs: number }; reply: null };
  /** While frozen: copies what is left; answers when the target holds the state. */
  'copy-final': { request: { readonly pendingOutputs: readonly ThreadOutput[] }; reply: CopiedMark };
  /** Gives the copy up; the thread goes on as it did. */
  'copy-cancel': { request: object; reply: null };
  resume: { request: object; reply: null };
  stop: { request: object; reply: null };
}
export type RunnerRequestName = keyof RunnerRequests;

export type ToRunner =
  | { [Name in RunnerRequestName]: { readonly type: 'request'; readonly id: number; readonly name: Name } & RunnerRequests[Name]['request'] }[RunnerRequestName]
  | { readonly type: 'feed'; readonly records: readonly InputRecord[] }
  | { readonly type: 'duty'; readonly ratio: number }
  /** How often the runner tells its counters. */
  | { readonly type: 'sample-every'; readonly periodMs: number };

export type FromRunner =
  | { readonly type: 'ready' }
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refused'; readonly id: number; readonly refusal: Refusal }
  | { readonly type: 'output'; readonly output: ThreadOutput }
  | { readonly type: 'consumed'; readonly seq: number }
  | { readonly type: 'sample'; readonly sample: RuntimeSample }
  | { readonly type: 'copy'; readonly progress: CopyProgress }
  | { readonly type: 'shadow'; readonly progress: ShadowProgress }
  | { readonly type: 'feed'; readonly progress: FeedProgress }
  | { readonly type: 'fault'; readonly refusal: Refusal }
  | { readonly type: 'exit'; readonly code: number };
