/** Demand in one phase: its newest values, as a piecewise linear distribution. Fixed memory. */
const KEPT = 64;
/** Fewer values than this are no distribution. */
export const LEAST_DEMANDS = 4;

export class DemandProfile {
  private readonly ring = new Float64Array(KEPT);
  private readonly sorted = new Float64Array(KEPT);
  private next = 0;
  private kept = 0;
  private sum = 0;
  private stale = true;

  get size(): number {
    return this.kept;
  }

  /** NaN while there is none. */
  get mean(): number {
    return this.kept === 0 ? NaN : this.sum / this.kept;
  }

  add(demand: number): void {
    if (this.kept === KEPT) this.sum -= this.ring[this.next]!;
    else this.kept++;
    this.ring[this.next] = demand;
    this.sum += demand;
    this.next = (this.next + 1) % KEPT;
    // What rounding leaves behind must not add up over months.
    if (this.next === 0) this.sum = this.ring.reduce((sum, value) => sum + value, 0);
    this.stale = true;
  }

  restart(): void {
    this.kept = 0;
    this.next = 0;
    this.sum = 0;
    this.stale = true;
  }

  /** The value below which a share `level` of the demands lies, 0..1. Only with at least one demand. */
  quantile(level: number): number {
    const sorted = this.inOrder();
    const place = Math.min(this.kept - 1, Math.max(0, level * this.kept - 0.5));
    const below = Math.floor(place);
    const low = sorted[below]!;
    return low + (place - below) * (sorted[Math.min(this.kept - 1, below + 1)]! - low);
  }

  /** Share of the demands at or below `value`, between neighbours in proportion: the inverse of `quantile`. */
  cumulative(value: number): number {
    const sorted = this.inOrder();
    const last = this.kept - 1;
    if (value < sorted[0]!) return 0;
    if (value >= sorted[last]!) return 1;
    const low = this.countBelow((other) => other <= value) - 1;
    return this.between(low, value);
  }

  /** The limit of `cumulative` from below: less where many demands are the same. */
  cumulativeBelow(value: number): number {
    const sorted = this.inOrder();
    if (value <= sorted[0]!) return 0;
    const below = this.countBelow((other) => other < value);
    return below === this.kept ? 1 : this.between(below - 1, value);
  }

  private between(low: number, value: number): number {
    const [from, to] = [this.sorted[low]!, this.sorted[low + 1]!];
    return (low + 0.5 + (to > from ? (value - from) / (to - from) : 1)) / this.kept;
  }

  /** How many of the sorted demands hold; those that do come first. */
  private countBelow(holds: (value: number) => boolean): number {
    let [low, high] = [0, this.kept];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.sorted[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private inOrder(): Float64Array {
    if (this.stale) {
      for (let i = 0; i < KEPT; i++) this.sorted[i] = i < this.kept ? this.ring[i]! : Infinity;
      this.sorted.sort();
      this.stale = false;
    }
    return this.sorted;
  }
}
