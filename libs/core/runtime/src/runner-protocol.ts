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

export interface RunnerRequests {
  prepare: { request: { readonly program: ThreadProgram }; reply: null };
  start: { request: object; reply: null };
  /** From a checkpoint: the encoded snapshot, whose digest the caller has verified against the manifest. */
  restore: { request: { readonly bytes: Uint8Array }; reply: RestoredMark };
  /** Takes the snapshot from the socket that comes with the message, rebuilds the state, answers with its own digest. */
  receive: { request: { readonly maxBytes: number; readonly timeoutMs: number }; reply: RestoredMark };
  freeze: { request: object; reply: null };
  /** While frozen: sends the snapshot over the socket that comes with the message. */
  send: { request: { readonly pendingOutputs: readonly ThreadOutput[]; readonly compress: boolean; readonly timeoutMs: number }; reply: SnapshotMark };
  /** While frozen: the encoded snapshot in parts. */
  snapshot: { request: { readonly pendingOutputs: readonly ThreadOutput[] }; reply: SnapshotMark & { readonly parts: readonly Uint8Array[] } };
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
  | { readonly type: 'fault'; readonly refusal: Refusal }
  | { readonly type: 'exit'; readonly code: number };
