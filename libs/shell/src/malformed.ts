/** Counts messages that were refused, and logs them at a bounded rate: a broken sender must not fill the disk. */
import type { Clock, Refusal } from '@godwit/kernel';
import type { Log } from './log.js';

const LOG_EVERY_MS = 10_000;

export class Malformed {
  count = 0;
  private loggedAtMs = -Infinity;
  private unlogged = 0;

  constructor(private readonly log: Log, private readonly clock: Clock) {}

  note(subject: string, refusal: Refusal): void {
    this.count++;
    this.unlogged++;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.loggedAtMs < LOG_EVERY_MS) return;
    this.log.warn({ subject, code: refusal.code, reason: refusal.reason, messages: this.unlogged }, 'malformed messages ignored');
    this.loggedAtMs = nowMs;
    this.unlogged = 0;
  }
}
