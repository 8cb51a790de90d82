/**
 * Take-overs in turn: when many threads lose their owner at once, only so many are begun at a time, in the order in which
 * they were asked for, so that the devices that take them over are not brought down by it.
 */
import type { DurationMs, Timers } from '@godwit/kernel';

export const TAKE_OVERS_AT_ONCE = 8;
/** A take-over that takes longer gives up its turn, and goes on. */
const LONGEST_TURN_MS: DurationMs = 5_000;

export class TakeOvers {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly timers: Timers, private readonly atOnce = TAKE_OVERS_AT_ONCE) {}

  /** Resolves when `work` has settled, or its turn is over. @throws what `work` throws within its turn */
  async inTurn(work: () => Promise<void>): Promise<void> {
    if (this.running >= this.atOnce) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = this.timers.after(LONGEST_TURN_MS, resolve);
        work().then(resolve, reject).finally(() => timer.cancel());
      });
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
