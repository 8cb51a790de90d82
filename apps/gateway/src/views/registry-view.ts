/**
 * The registry as the gateway knows it: the fold of the events in GODWIT_REGISTRY that the controller has accepted.
 *
 * Invariants:
 *  V1. An event has effect when its verdict says so, in the order of the verdicts, and never before.
 *  V2. The first verdict on an event counts; what waits for a verdict hears of it after the fold has taken it in.
 */
import { isCode, isRefusal, OperationError, refuse, type DurationMs, type Refusal } from '@godwit/kernel';
import { applyEvent, EMPTY_REGISTRY, type Registry, type RegistryEvent } from '@godwit/registry';
import { decodeEvent, verdictCodec, type RegistryVerdict } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';
import type { StreamRecord } from '../follow-stream.js';

/** Events whose verdict is still to come. More can only be there when no controller has run for long. */
const MAX_PENDING = 50_000;
const MAX_VERDICTS = 10_000;

export class RegistryView {
  private state: Registry = EMPTY_REGISTRY;
  private readonly pending = new BoundedMap<number, RegistryEvent | Refusal>(MAX_PENDING);
  private readonly verdicts = new BoundedMap<number, RegistryVerdict>(MAX_VERDICTS);
  private readonly waiting = new Map<number, (verdict: RegistryVerdict) => void>();

  /** @param onOddity told when an accepted event does not fit our fold, or a record is no verdict. */
  constructor(private readonly onOddity: (seq: number, reason: string) => void) {}

  get registry(): Registry {
    return this.state;
  }

  take(record: StreamRecord): void {
    const [, , event = '', id = ''] = record.subject.split('.');
    if (event === 'verdict') this.takeVerdict(record);
    else this.pending.set(record.seq, decodeEvent(event, record.data, { json: record.json, subjectId: id }));
  }

  private takeVerdict(record: StreamRecord): void {
    const verdict = verdictCodec.decode(record.data);
    if (isRefusal(verdict)) return this.onOddity(record.seq, verdict.reason);
    if (this.verdicts.get(verdict.eventSeq)) return;
    this.verdicts.set(verdict.eventSeq, verdict);
    const event = this.pending.get(verdict.eventSeq);
    this.pending.delete(verdict.eventSeq);
    if (verdict.accepted && event) this.apply(verdict.eventSeq, event);
    this.waiting.get(verdict.eventSeq)?.(verdict);
  }

  private apply(seq: number, event: RegistryEvent | Refusal): void {
    const next = isRefusal(event) ? event : applyEvent(this.state, event);
    if (isRefusal(next)) this.onOddity(seq, `accepted by the controller, but ${next.reason}`);
    else this.state = next;
  }

  /** The verdict on the event at this sequence. @throws OperationError `timeout`, effect `unknown`, after `limitMs`. */
  async verdict(eventSeq: number, limitMs: DurationMs): Promise<RegistryVerdict> {
    const known = this.verdicts.get(eventSeq);
    if (known) return known;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<RegistryVerdict>((resolve, reject) => {
        this.waiting.set(eventSeq, resolve);
        timer = setTimeout(() => reject(new OperationError('timeout', `the migration controller gave no verdict on event ${eventSeq} within ${limitMs} ms; it may still come`, { effect: 'unknown' })), limitMs);
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(eventSeq);
    }
  }
}

/** Undefined when the event was accepted. Codes of a newer controller count as `refused-by-policy`. */
export const refusalOfVerdict = ({ accepted, code, reason, field }: RegistryVerdict): Refusal | undefined =>
  accepted ? undefined : refuse(isCode(code) ? code : 'refused-by-policy', reason, field === '' ? undefined : field);
