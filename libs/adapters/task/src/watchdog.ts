/** Ends a program that runs longer than its limit without reaching a safepoint. Measures CPU, so that a busy machine is no offence. */
const TICKS_PER_LIMIT = 8;
const SHORTEST_TICK_MS = 2;
const LONGEST_TICK_MS = 250;

export interface Watched {
  /** Number of the stretch of program code that executes now; 0 while none does. */
  readonly running: number;
  cpuMs(): Promise<number>;
}

export class Watchdog {
  private timer: NodeJS.Timeout | undefined;
  private stretch = 0;
  private sinceCpuMs = 0;
  private asking = false;

  constructor(private readonly watched: Watched, private readonly limitMs: number, private readonly onPassed: (cpuMs: number) => void) {}

  start(): void {
    const tickMs = Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, this.limitMs / TICKS_PER_LIMIT));
    this.timer ??= setInterval(() => this.tick(), tickMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const { running } = this.watched;
    if (running === 0 || this.asking) return;
    this.asking = true;
    void this.look(running).finally(() => { this.asking = false; });
  }

  private async look(stretch: number): Promise<void> {
    const cpuMs = await this.watched.cpuMs().catch(() => undefined);
    // The worker is gone, or went on to other work while it was asked.
    if (cpuMs === undefined || this.timer === undefined || this.watched.running !== stretch) return;
    if (stretch !== this.stretch) {
      this.stretch = stretch;
      this.sinceCpuMs = cpuMs;
    } else if (cpuMs - this.sinceCpuMs > this.limitMs) {
      this.stop();
      this.onPassed(cpuMs - this.sinceCpuMs);
    }
  }
}
