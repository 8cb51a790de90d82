/**
 * Which records may go. A record goes only when it is below all four: two verified checkpoints of its own thread, the
 * cursor in two verified checkpoints of every subscriber, the gateway's high-water mark, and the retry horizon.
 */
import { baseOf, type CheckpointRecord } from './records.js';

export interface PurgeFacts {
  /** The thread's verified checkpoints, newest first. */
  readonly own: readonly Pick<CheckpointRecord, 'k' | 'cursorSeq' | 'outN' | 'parts'>[];
  /** For each subscriber of its outputs: that thread's verified checkpoints, newest first. */
  readonly subscribers: readonly (readonly Pick<CheckpointRecord, 'k' | 'cursorSeq' | 'parts'>[])[];
  /** Stream sequence up to which the gateway has released outputs to the outside. */
  readonly gatewaySeq: number;
  /** Stream sequence of the newest record that is older than the retry horizon of request ids. */
  readonly horizonSeq: number;
}

export interface PurgeMarks {
  /** `in` records with a sequence below this may go; 0 for none. */
  readonly inputsBelowSeq: number;
  /** `out` records with a sequence below this may go. */
  readonly outputsBelowSeq: number;
  /** Checkpoint manifests with a smaller `k` may go, and their chunks. */
  readonly checkpointsBelow: number;
}

const NOTHING: PurgeMarks = { inputsBelowSeq: 0, outputsBelowSeq: 0, checkpointsBelow: 0 };

/** The newest that shares no part with the very newest: one lost base or delta must not take both. */
const independent = <Checkpoint extends Pick<CheckpointRecord, 'k' | 'parts'>>([newest, ...older]: readonly Checkpoint[]): Checkpoint | undefined =>
  newest && older.find((checkpoint) => baseOf(checkpoint) !== baseOf(newest));

export function purgeMarks(facts: PurgeFacts): PurgeMarks {
  const second = independent(facts.own);
  if (!second) return NOTHING;
  const subscriberSeqs = facts.subscribers.map((checkpoints) => independent(checkpoints)?.cursorSeq ?? 0);
  const shared = Math.min(facts.gatewaySeq, facts.horizonSeq);
  return {
    inputsBelowSeq: Math.max(0, Math.min(second.cursorSeq, shared)),
    // An output must also stay while the thread may repeat it: its own second checkpoint bounds that by its cursor,
    // since an output is always behind the input that caused it.
    outputsBelowSeq: Math.max(0, Math.min(second.cursorSeq, shared, ...subscriberSeqs)),
    checkpointsBelow: second.k,
  };
}
