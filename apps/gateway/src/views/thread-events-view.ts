/** What agents last said of a thread that stopped by itself. Heard since the gateway started; the journal has owners, not faults. */
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import { threadEventCodec, type ThreadEvent } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';

const MAX_THREADS = 100_000;

export class ThreadEventsView {
  private readonly newest = new BoundedMap<string, ThreadEvent>(MAX_THREADS);

  /** @param subjectDevice the subject's last token; an event of another device is refused. */
  take(subjectDevice: string, bytes: Uint8Array): Refusal | undefined {
    const event = threadEventCodec.decode(bytes);
    if (isRefusal(event)) return event;
    if (event.device !== subjectDevice) return refuse('invalid-field', `the subject names ${subjectDevice}, the event ${event.device}`, 'device');
    const before = this.newest.get(event.thread);
    if (!before || event.epoch >= before.epoch) this.newest.set(event.thread, event);
    return undefined;
  }

  /** The fault that ended this ownership, if one did. */
  fault(thread: string, epoch: number): ThreadEvent | undefined {
    const event = this.newest.get(thread);
    return event?.kind === 'faulted' && event.epoch === epoch ? event : undefined;
  }
}
