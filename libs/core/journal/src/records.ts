/**
 * The journal's records: the truth for inputs, owners and outputs. One stream per shard; subjects
 * `godwit.t.<shard>.<thread>.` + `in.<requestId>` | `own.<epoch>` | `out.<n>` | `ck.<k>` | `intent.<epoch>`, each create-only.
 */
import type { DeviceId, InstantMs, MigrationId, RequestId, Sha256, ShardId, ThreadId } from '@godwit/kernel';
import type { Message, RuntimeKind, ThreadOutput } from '@godwit/snapshot';

/** Where a thread's records stand. */
export interface ThreadAddress {
  readonly shard: ShardId;
  readonly thread: ThreadId;
}

/** A record with the place that the stream gave it. */
export interface Stored<Rec> {
  readonly seq: number;
  /** The broker's clock. */
  readonly atMs: InstantMs;
  readonly record: Rec;
}

/** Why ownership changed. The three outcomes of a migration, and what needs no migration. */
export type OwnReason = 'placed' | 'committed' | 'rolled-back' | 'failed-over' | 're-granted' | 'retired';
export const OWN_REASONS: readonly OwnReason[] = ['placed', 'committed', 'rolled-back', 'failed-over', 're-granted', 'retired'];

/** The newest of these says who may execute the thread. Its stream sequence is the fence that every append rests on. */
export interface OwnRecord {
  readonly epoch: number;
  readonly device: DeviceId;
  readonly reason: OwnReason;
  /** The migration whose outcome this is. */
  readonly migration?: MigrationId;
  /** The checkpoint that the new owner may fall back to; 0 for "from the beginning". */
  readonly checkpoint: number;
  /** One sentence for people. */
  readonly note: string;
}

export interface IntentRecord {
  /** The epoch that the migration starts from; its commit would be `epoch + 1`. */
  readonly epoch: number;
  readonly migration: MigrationId;
  readonly source: DeviceId;
  readonly target: DeviceId;
  readonly note: string;
}

export interface OutRecord extends ThreadOutput {
  readonly epoch: number;
}

export interface CheckpointRecord {
  readonly k: number;
  readonly epoch: number;
  readonly device: DeviceId;
  readonly runtime: RuntimeKind;
  readonly program: Sha256;
  /** The snapshot's input cursor and output number: what purging may rely on. */
  readonly cursorSeq: number;
  readonly outN: number;
  readonly chainHash: Sha256;
  /** Of the state, see `stateDigest` of @godwit/snapshot; in manifests without `parts` SHA-256 of the encoded snapshot. */
  readonly digest: Sha256;
  /** Bytes and chunks in Redis, of all parts together. */
  readonly bytes: number;
  readonly chunks: number;
  /** The base and the deltas that lead from it to this state, in order; absent: one part, the encoded snapshot. */
  readonly parts?: readonly CheckpointPart[];
}

/** What one checkpoint wrote: a base (the whole state), or the delta from the state of the part before. */
export interface CheckpointPart {
  /** The checkpoint that wrote it. */
  readonly k: number;
  readonly bytes: number;
  readonly chunks: number;
  /** SHA-256 of its bytes. */
  readonly digest: Sha256;
}

/** What has to be read to have the state: never empty, the base first. */
export const partsOf = ({ k, bytes, chunks, digest, parts }: Pick<CheckpointRecord, 'k' | 'bytes' | 'chunks' | 'digest' | 'parts'>): readonly CheckpointPart[] =>
  parts && parts.length > 0 ? parts : [{ k, bytes, chunks, digest }];

/** Number of the base: checkpoints with the same one are lost together when that is lost. */
export const baseOf = ({ k, parts }: Pick<CheckpointRecord, 'k' | 'parts'>): number => parts?.[0]?.k ?? k;

/** An input from outside, a tick of the thread's own timer, or the end of its input. */
export interface InRecord {
  readonly requestId: RequestId;
  readonly kind: 'message' | 'timer' | 'end';
  readonly messages: readonly Message[];
}

export type JournalEntry =
  | ({ readonly type: 'in'; readonly thread: ThreadId } & Stored<InRecord>)
  | ({ readonly type: 'out'; readonly thread: ThreadId } & Stored<OutRecord>);
