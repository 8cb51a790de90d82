/** A simulated process: it can crash, be started again, stand still and wake, and its clocks can be wrong. */
import type { Clock, Timers } from '@godwit/kernel';
import type { EventLoop } from './loop.js';

const EPOCH_MS = 1_790_000_000_000;

export class Proc {
  alive = false;
  paused = false;
  /** Goes up with every crash: what an earlier life has begun never continues. */
  life = 0;
  /** Error of the wall clock; the monotonic clock has none. */
  skewMs = 0;
  /** When it last woke from a pause. */
  wokeAtMs = -Infinity;
  private waiting: (() => void)[] = [];

  /** @param rate how fast its clocks go: 2 is twice as fast. */
  constructor(readonly name: string, private readonly loop: EventLoop, private readonly rate = 1) {}

  readonly clock: Clock = {
    nowMs: () => EPOCH_MS + Math.floor(this.loop.nowMs * this.rate) + this.skewMs,
    monotonicMs: () => this.loop.nowMs * this.rate,
  };

  readonly timers: Timers = {
    after: (delayMs, run) => this.loop.after(delayMs / this.rate, this.living(run)),
    every: (periodMs, run) => {
      let next = { cancel: (): void => undefined };
      let cancelled = false;
      const again = (): void => {
        next = this.loop.after(periodMs / this.rate, this.living(() => {
          if (cancelled) return;
          again();
          run();
        }));
      };
      again();
      return { cancel: () => { cancelled = true; next.cancel(); } };
    },
  };

  /** `run` in this life of the process, or not at all; while it stands still, when it wakes. */
  living(run: () => void): () => void {
    const { life } = this;
    return () => this.deliver(() => { if (this.life === life) run(); });
  }

  /** Does it now, when it wakes, or never if it is dead. */
  deliver(run: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.waiting.push(run);
    else run();
  }

  start(): void {
    this.alive = true;
    this.paused = false;
    this.waiting = [];
  }
  crash(): void {
    this.alive = false;
    this.paused = false;
    this.life++;
    this.waiting = [];
  }
  pause(): void {
    if (this.alive) this.paused = true;
  }
  wake(): void {
    if (!this.paused) return;
    this.paused = false;
    this.wokeAtMs = this.loop.nowMs;
    const { waiting } = this;
    this.waiting = [];
    const { life } = this;
    // One by one, each an event of its own: a process that wakes does not do everything at once.
    for (const run of waiting) this.loop.after(0, () => { if (this.life === life) this.deliver(run); });
  }
}
