/** Runs a round of forecasts each second, in slices, so that samples are taken in between; and measures it. */
import type { Clock, DurationMs } from '@godwit/kernel';

/** Longest time that a slice holds the event loop, ms. */
const SLICE_MS = 20;

export class Loop {
  private timer: NodeJS.Timeout | undefined;
  private running = false;

  constructor(private readonly parts: { readonly clock: Clock; readonly round: () => Iterable<void>; readonly onRound: (busyMs: DurationMs) => void }) {}

  start(periodMs: DurationMs): void {
    this.timer = setInterval(() => void this.run(), periodMs);
  }
  stop(): void {
    clearInterval(this.timer);
  }

  /** A round that is still under way when the next is due makes that one drop out. */
  async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      await this.slices();
    } finally {
      this.running = false;
    }
  }

  private async slices(): Promise<void> {
    const { clock } = this.parts;
    let busyMs = 0;
    let startedAtMs = clock.monotonicMs();
    for (const _ of this.parts.round()) {
      if (clock.monotonicMs() - startedAtMs < SLICE_MS) continue;
      busyMs += clock.monotonicMs() - startedAtMs;
      await new Promise(setImmediate);
      startedAtMs = clock.monotonicMs();
    }
    this.parts.onRound(busyMs + clock.monotonicMs() - startedAtMs);
  }
}
