/** A duty cycle by stopping and continuing: of each period, the program runs its share. */
const PERIOD_MS = 100;
const SHORTEST_STRETCH_MS = 5;

export class DutyTimer {
  private ratio = 1;
  private timer: NodeJS.Timeout | undefined;
  private running = false;
  private heldSinceMs: number | undefined;
  private heldMs = 0;

  constructor(private readonly onHold: (held: boolean) => void) {}

  get held(): boolean {
    return this.heldSinceMs !== undefined;
  }
  get heldSeconds(): number {
    return (this.heldMs + (this.heldSinceMs === undefined ? 0 : performance.now() - this.heldSinceMs)) / 1000;
  }

  set(ratio: number): void {
    if (ratio === this.ratio) return;
    this.ratio = ratio;
    if (this.running && (this.timer === undefined || ratio === 1)) this.cycle();
  }

  /** The program runs now; holds begin. */
  resume(): void {
    this.running = true;
    this.cycle();
  }

  /** No more holds; whether the program stands or runs is the caller's from here. */
  pause(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.settle();
  }

  private settle(): void {
    if (this.heldSinceMs !== undefined) this.heldMs += performance.now() - this.heldSinceMs;
    this.heldSinceMs = undefined;
  }

  private cycle(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.held) {
      this.settle();
      this.onHold(false);
    }
    if (this.ratio >= 1) return;
    // A stretch that would be too short for the kernel is made longer, and the period with it.
    const runMs = Math.max(SHORTEST_STRETCH_MS, PERIOD_MS * this.ratio);
    this.timer = setTimeout(() => {
      this.heldSinceMs = performance.now();
      this.onHold(true);
      this.timer = setTimeout(() => this.cycle(), runMs / this.ratio - runMs);
    }, runMs);
  }
}
