/**
 * The last `capacity` values, kept in order of arrival and in order of size, in fixed memory (8 bytes a value).
 * Values are held in single precision: this serves error distributions and medians, not accounts.
 */
export class SortedWindow {
  private readonly arrived: Float32Array;
  private readonly sorted: Float32Array;
  private next = 0;
  size = 0;

  constructor(readonly capacity: number) {
    this.arrived = new Float32Array(capacity);
    this.sorted = new Float32Array(capacity);
  }

  /** Adds a finite value; the oldest leaves when the window is full. Moves only what lies between the two places. */
  push(value: number): void {
    const slot = this.next;
    const leaving = this.arrived[slot]!;
    this.arrived[slot] = value;
    const entering = this.arrived[slot]!;
    this.next = slot + 1 === this.capacity ? 0 : slot + 1;
    const sorted = this.sorted;
    let at: number;
    if (this.size === this.capacity) at = this.rank(leaving);
    else at = this.size++;
    while (at > 0 && sorted[at - 1]! > entering) {
      sorted[at] = sorted[at - 1]!;
      at--;
    }
    const last = this.size - 1;
    while (at < last && sorted[at + 1]! < entering) {
      sorted[at] = sorted[at + 1]!;
      at++;
    }
    sorted[at] = entering;
  }

  /** Forgets all values. */
  clear(): void {
    this.size = 0;
    this.next = 0;
  }

  /** Number of values smaller than `value`: the place where `value` stands, when it is in the window. */
  private rank(value: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Value at `level` in 0..1 at position level × (n + 1), the place that a next, exchangeable value would fall below with
   * that probability (the rule of conformal prediction), held to the extremes. 0 for an empty window.
   */
  quantile(level: number): number {
    const n = this.size;
    if (n === 0) return 0;
    const place = level * (n + 1) - 1;
    if (place <= 0) return this.sorted[0]!;
    if (place >= n - 1) return this.sorted[n - 1]!;
    const below = Math.floor(place);
    const low = this.sorted[below]!;
    return low + (place - below) * (this.sorted[below + 1]! - low);
  }

  /** Smallest and largest value of the window; 0 when it is empty. */
  get least(): number {
    return this.size === 0 ? 0 : this.sorted[0]!;
  }
  get greatest(): number {
    return this.size === 0 ? 0 : this.sorted[this.size - 1]!;
  }
}
