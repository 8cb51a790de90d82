/**
 * The device's lease, for liveness only: safety is the fence. Renews every second; a device that could not renew for
 * SELF_MS of the monotonic clock stops executing, and is asked about again after every pause of its own.
 */
import type { Clock, DurationMs, MonotonicMs, Timer, Timers } from '@godwit/kernel';
import type { Log } from '../ports.js';

export const RENEW_MS: DurationMs = 1_000;
/** Without a renewal for so long, the device stops executing its threads. */
export const SELF_MS: DurationMs = 3_000;
const LOOK_MS: DurationMs = 100;

export class LeaseKeeper {
  private renewedAtMs: MonotonicMs;
  private lapsed = false;
  private renewing = false;
  private regaining = false;
  private readonly ticking: Timer[] = [];

  constructor(private readonly options: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly log: Log;
    readonly renew: () => Promise<void>;
    /** Called once when the lease has lapsed, and once when it is back. */
    readonly onLapse: () => void;
    /** @returns whether the threads go on; asked again after the next renewal if not. */
    readonly onRegain: (stillHeld: () => boolean) => Promise<boolean>;
  }) {
    this.renewedAtMs = options.clock.monotonicMs();
  }

  async start(): Promise<void> {
    await this.renew();
    const { timers } = this.options;
    this.ticking.push(timers.every(RENEW_MS, () => void this.renew()), timers.every(LOOK_MS, () => this.look()));
  }

  get held(): boolean {
    return !this.lapsed;
  }

  /** Also called before work that follows a pause of unknown length. */
  look(): void {
    if (this.lapsed || this.isFresh()) return;
    this.lapsed = true;
    this.options.log.warn({ sinceMs: Math.round(this.options.clock.monotonicMs() - this.renewedAtMs) }, 'lease lapsed: threads stopped');
    this.options.onLapse();
  }

  private async renew(): Promise<void> {
    if (this.renewing) return;
    this.renewing = true;
    const askedAtMs = this.options.clock.monotonicMs();
    try {
      await this.options.renew();
      this.look(); // a pause before the answer was read must not hide behind the answer
      this.renewedAtMs = askedAtMs;
      if (this.lapsed) void this.regain(); // not waited for: the lease must be renewed meanwhile
    } catch (error) {
      this.options.log.warn({ err: error }, 'lease not renewed');
    } finally {
      this.renewing = false;
    }
  }

  private async regain(): Promise<void> {
    if (this.regaining) return;
    this.regaining = true;
    try {
      if (await this.options.onRegain(() => this.isFresh())) this.lapsed = false;
    } catch (error) {
      this.options.log.warn({ err: error }, 'lease is back, but whose the threads are is not known yet');
    } finally {
      this.regaining = false;
    }
  }

  private isFresh(): boolean {
    return this.options.clock.monotonicMs() - this.renewedAtMs <= SELF_MS;
  }

  close(): void {
    for (const timer of this.ticking) timer.cancel();
  }
}
