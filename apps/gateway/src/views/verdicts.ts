/** The controller's newest verdicts, and who waits for one. */
import { isCode, OperationError, refuse, type DurationMs, type Refusal } from '@godwit/kernel';
import type { RegistryVerdict } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';

const MAX_VERDICTS = 10_000;

/** The event whose verdict is awaited: its place alone would name another event in a stream that was made anew. */
export interface JudgedEvent {
  readonly eventSeq: number;
  readonly event: string;
  readonly id: string;
}

export class Verdicts {
  private readonly known = new BoundedMap<number, RegistryVerdict>(MAX_VERDICTS);
  private readonly waiting = new Map<number, (verdict: RegistryVerdict) => void>();

  /** Called after the event has taken effect, or will not. */
  take(verdict: RegistryVerdict): void {
    this.known.set(verdict.eventSeq, verdict);
    this.waiting.get(verdict.eventSeq)?.(verdict);
  }

  /** @throws OperationError `timeout`, effect `unknown`, after `limitMs`. */
  async of({ eventSeq, event, id }: JudgedEvent, limitMs: DurationMs): Promise<RegistryVerdict> {
    const isIts = (verdict: RegistryVerdict): boolean => verdict.event === event && verdict.id === id;
    const known = this.known.get(eventSeq);
    if (known && isIts(known)) return known;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<RegistryVerdict>((resolve, reject) => {
        this.waiting.set(eventSeq, (verdict) => { if (isIts(verdict)) resolve(verdict); });
        timer = setTimeout(() => reject(new OperationError('timeout', `the migration controller gave no verdict on ${event} of ${id} (event ${eventSeq}) within ${limitMs} ms; it may still come`, { effect: 'unknown' })), limitMs);
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
