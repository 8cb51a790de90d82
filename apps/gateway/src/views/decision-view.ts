/** Decisions with their settlements, newest first, in bounded memory. */
import { isRefusal, type DecisionId, type Refusal } from '@godwit/kernel';
import type { Decision, Settlement } from '@godwit/decision';
import { decisionRecordCodec } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';
import type { StreamRecord } from '../follow-stream.js';

export interface DecisionEntry {
  /** Sequence in the stream: the cursor of a page. */
  readonly seq: number;
  readonly decision: Decision;
  readonly settlement?: Settlement;
}
const MAX_DECISIONS = 10_000;

export class DecisionView {
  private readonly byId = new BoundedMap<DecisionId, DecisionEntry>(MAX_DECISIONS);

  take(record: StreamRecord): Refusal | undefined {
    const told = decisionRecordCodec.decode(record.data);
    if (isRefusal(told)) return told;
    if (told.decision && !this.byId.get(told.decision.decision)) this.byId.set(told.decision.decision, { seq: record.seq, decision: told.decision });
    if (told.settlement) {
      const entry = this.byId.get(told.settlement.decision);
      // A settlement whose decision has been forgotten for want of room has nothing to stand beside.
      if (entry) Object.assign(entry, { settlement: told.settlement });
    }
    return undefined;
  }

  /** @param beforeSeq the page begins below this sequence. */
  newest(limit: number, thread?: string, beforeSeq: number = Number.POSITIVE_INFINITY): DecisionEntry[] {
    return this.byId.newest(limit, ({ seq, decision }) => seq < beforeSeq && (thread === undefined || decision.thread === thread));
  }
}
