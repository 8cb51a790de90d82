/**
 * The duty cycle: after each stretch of work the thread is held until the CPU that it took is at most `ratio` of the
 * wall time that went by. Time in which the kernel did not let it run counts as held already; a wait for input earns
 * no credit.
 */
const MICROS_PER_MS = 1000;
/** Shorter holds cost more in timers than they take: they are added up. */
const SHORTEST_HOLD_MS = 1;
/** Late timers, and time in which the kernel ran others, may be made up for by this much. */
const MOST_CREDIT_MS = 20;

export interface DutyClock {
  /** CPU of this thread so far, microseconds. */
  cpuMicros(): number;
  monotonicMs(): number;
}

export class Duty {
  private ratio = 1;
  private owedMs = 0;
  private lastCpuMicros: number;
  private lastMs: number;

  constructor(private readonly clock: DutyClock) {
    this.lastCpuMicros = clock.cpuMicros();
    this.lastMs = clock.monotonicMs();
  }

  /** @param ratio 0 < ratio <= 1 */
  set(ratio: number): void {
    if (this.ratio === 1) {
      // Nothing was kept while there was nothing to hold.
      this.lastCpuMicros = this.clock.cpuMicros();
      this.lastMs = this.clock.monotonicMs();
      this.owedMs = 0;
    }
    this.ratio = ratio;
  }

  /**
   * Work begins after a wait: the wait is no part of the account. CPU is: the kernel books it late, at a tick or when the
   * thread gives way, so that what shows only after a wait was used before it. Forgetting it made 0.25 a good 0.32.
   */
  begin(): void {
    this.lastMs = this.clock.monotonicMs();
  }

  /** Closes the stretch since `begin` or the last call. @returns how long to hold now, ms; 0 for not at all. */
  charge(): number {
    if (this.ratio === 1) return 0;
    const cpuMicros = this.clock.cpuMicros();
    const nowMs = this.clock.monotonicMs();
    const cpuMs = (cpuMicros - this.lastCpuMicros) / MICROS_PER_MS;
    this.owedMs = Math.max(-MOST_CREDIT_MS, this.owedMs + cpuMs / this.ratio - (nowMs - this.lastMs));
    this.lastCpuMicros = cpuMicros;
    this.lastMs = nowMs;
    return this.owedMs >= SHORTEST_HOLD_MS ? this.owedMs : 0;
  }

  /** A hold took place; more than was owed is credit for the next one, so that late timers even out. */
  held(heldMs: number): void {
    this.owedMs -= heldMs;
    this.begin();
  }
}
