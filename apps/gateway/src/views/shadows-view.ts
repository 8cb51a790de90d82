/** What the threads' shadows last said of themselves. They say it every second; one that is silent for long is gone. */
import { isRefusal, refuse, type DurationMs, type MonotonicMs, type Refusal } from '@godwit/kernel';
import { shadowStatusCodec, type ShadowStatus } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';

const MAX_THREADS = 100_000;
const GONE_MS: DurationMs = 10_000;

export class ShadowsView {
  private readonly newest = new BoundedMap<string, { readonly heardAtMs: MonotonicMs; readonly status: ShadowStatus }>(MAX_THREADS);

  constructor(private readonly nowMs: () => MonotonicMs) {}

  /** @param subjectThread the subject's last token; a status of another thread is refused. */
  take(subjectThread: string, bytes: Uint8Array): Refusal | undefined {
    const status = shadowStatusCodec.decode(bytes);
    if (isRefusal(status)) return status;
    if (status.thread !== subjectThread) return refuse('invalid-field', `the subject names ${subjectThread}, the status ${status.thread}`, 'thread');
    // Two for a moment, while one takes over from the other: the one that holds more is shown.
    const before = this.of(status.thread);
    if (!before || before.device === status.device || status.checkpoint >= before.checkpoint) this.newest.set(status.thread, { heardAtMs: this.nowMs(), status });
    return undefined;
  }

  of(thread: string): ShadowStatus | undefined {
    const known = this.newest.get(thread);
    return known && this.nowMs() - known.heardAtMs < GONE_MS ? known.status : undefined;
  }
}
