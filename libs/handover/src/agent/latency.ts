/** Quantiles over the last observations: a ring that is sorted when it is asked. */
export class LatencyWindow {
  private readonly ring: Float64Array;
  private next = 0;
  private filled = 0;
  constructor(size = 512) {
    this.ring = new Float64Array(size);
  }
  add(ms: number): void {
    this.ring[this.next] = ms;
    this.next = (this.next + 1) % this.ring.length;
    this.filled = Math.min(this.filled + 1, this.ring.length);
  }
  /** Undefined when nothing was observed since the last `clear`. @param levels 0..1 */
  quantiles(levels: readonly number[]): number[] | undefined {
    if (this.filled === 0) return undefined;
    const sorted = this.ring.slice(0, this.filled).sort();
    return levels.map((level) => sorted[Math.min(this.filled - 1, Math.floor(level * this.filled))]!);
  }
  clear(): void {
    this.next = 0;
    this.filled = 0;
  }
}
