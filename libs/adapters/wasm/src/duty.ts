/** Holds a program at its safepoints, so that it uses no more than a share of the wall time. */
export interface DutyMeter {
  /** ms that the program must stand still now; 0 when it is within its share. */
  dueMs(nowMs: number, cpuMs: number, ratio: number): number;
}

/** Unused share is kept for this long, so that a program that waited is not held at once. */
const CREDIT_MS = 50;
const SHORTEST_HOLD_MS = 0.5;

export class Duty implements DutyMeter {
  private sinceMs: number;
  private sinceCpuMs: number;
  constructor(nowMs: number, cpuMs: number) {
    this.sinceMs = nowMs;
    this.sinceCpuMs = cpuMs;
  }
  dueMs(nowMs: number, cpuMs: number, ratio: number): number {
    const wall = nowMs - this.sinceMs;
    const hold = (cpuMs - this.sinceCpuMs) / ratio - wall;
    if (hold > SHORTEST_HOLD_MS) return hold;
    if (-hold > CREDIT_MS) {
      // Keep the account, but forget credit beyond the window.
      this.sinceMs = nowMs - CREDIT_MS;
      this.sinceCpuMs = cpuMs;
    }
    return 0;
  }
}
