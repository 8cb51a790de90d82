/** The newest `capacity` steps of a series, oldest leaving first, NaN for a step without a sample; 8 bytes a step. */
export class ValueRing {
  private readonly values: Float64Array;
  private next = 0;
  size = 0;

  constructor(readonly capacity: number) {
    this.values = new Float64Array(capacity).fill(NaN);
  }

  push(value: number): void {
    this.values[this.next] = value;
    this.next = this.next + 1 === this.capacity ? 0 : this.next + 1;
    if (this.size < this.capacity) this.size++;
  }

  /** `count` steps without a sample. */
  skip(count: number): void {
    for (let left = Math.min(count, this.capacity); left > 0; left--) this.push(NaN);
  }

  /** The value `back` ≥ 1 steps back, 1 the newest; NaN where there was no sample or the ring does not reach. */
  back(back: number): number {
    if (back > this.size) return NaN;
    const at = this.next - back;
    return this.values[at < 0 ? at + this.capacity : at]!;
  }

  /** Copies the newest values, as many as `into` holds, oldest first; answers how many. */
  copyNewest(into: Float64Array): number {
    const count = Math.min(this.size, into.length);
    for (let k = 0; k < count; k++) into[k] = this.back(count - k);
    return count;
  }
}
