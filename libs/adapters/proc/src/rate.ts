/** Turns a counter into a rate per second. A counter that fell back was reset: it starts anew and gives no value once. */
export class Rate {
  private previous = Number.NaN;
  private previousMs = Number.NaN;

  /** @returns the growth per second since the last call, or `undefined` at the first call, after a reset, or with no time passed. */
  next(counter: number, monotonicMs: number): number | undefined {
    const growth = counter - this.previous;
    const seconds = (monotonicMs - this.previousMs) / 1000;
    if (seconds === 0) return undefined;
    this.previous = counter;
    this.previousMs = monotonicMs;
    return growth >= 0 && seconds > 0 ? growth / seconds : undefined;
  }

  /** Forgets the last value, for a counter that could not be read: a gap must not become one long rate. */
  reset(): void {
    this.previous = Number.NaN;
    this.previousMs = Number.NaN;
  }
}
