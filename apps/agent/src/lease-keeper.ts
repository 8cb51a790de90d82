/**
 * The device's lease, for liveness only: safety is the fence. Renews every second; a device that could not renew for
 * SELF_MS of the monotonic clock stops executing, and is asked about again after every pause of its own.
 */
import type { Clock, DurationMs, MonotonicMs } from '@godwit/kernel';
import type { Log } from '@godwit/shell';

export const RENEW_MS: DurationMs = 1_000;
/** Without a renewal for so long, the device stops executing its threads. */
export const SELF_MS: DurationMs = 3_000;
const LOOK_MS: DurationMs = 100;

export class LeaseKeeper {
  private renewedAtMs: MonotonicMs;
  private lapsed = false;
  private renewing = false;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(private readonly options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly renew: () => Promise<void>;
    /** Called once when the lease has lapsed, and once when it is back. */
    readonly onLapse: () => void;
    readonly onRegain: () => Promise<void>;
  }) {
    this.renewedAtMs = options.clock.monotonicMs();
  }

  async start(): Promise<void> {
    await this.renew();
    this.timers.push(setInterval(() => void this.renew(), RENEW_MS), setInterval(() => this.look(), LOOK_MS));
  }

  get held(): boolean {
    return !this.lapsed;
  }

  /** Also called before work that follows a pause of unknown length. */
  look(): void {
    if (this.lapsed || this.options.clock.monotonicMs() - this.renewedAtMs <= SELF_MS) return;
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
      if (this.lapsed) {
        await this.options.onRegain();
        this.lapsed = false;
      }
    } catch (error) {
      this.options.log.warn({ err: error }, 'lease not renewed');
    } finally {
      this.renewing = false;
    }
  }

  close(): void {
    this.timers.forEach(clearInterval);
  }
}
