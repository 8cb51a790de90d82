import { SortedWindow } from './sorted-window.js';
import { ValueRing } from './value-ring.js';
import { FEATURES } from './pooled-quantiles.js';

/** Smoothing of the levels of which the features tell the distance. */
const FOLLOWS = [0.5, 0.2, 0.05, 0.015] as const;
const SPREAD_FOLLOW = 0.03;
/** A scaled distance counts as at most this; beyond it says no more. */
const MOST_DISTANCE = 12;

/**
 * Where a series stands, as numbers without unit or origin: distances of levels, medians, and lags from the newest
 * value, in units of the local spread of one-step moves; and how strongly moves are taken back.
 */
export class SeriesFeatures {
  learnt = 0;
  last = 0;
  /** Discounted mean size of a move from one step to the next, in the unit of the series. */
  spread = 0;
  private readonly levels = new Float64Array(FOLLOWS.length);
  private readonly short = new SortedWindow(15);
  private readonly long = new SortedWindow(90);
  private readonly ring = new ValueRing(8);
  private origin = NaN;
  /** Discounted mean product of neighbouring moves, and mean square of a move. */
  private product = 0;
  private square = 0;
  private move = 0;

  update(value: number): void {
    if (Number.isNaN(this.origin)) {
      this.origin = value;
      this.levels.fill(value);
      this.last = value;
    }
    this.learnt++;
    const move = value - this.last;
    const follow = Math.max(SPREAD_FOLLOW, 1 / this.learnt);
    if (this.learnt > 1) {
      this.spread += (Math.abs(move) - this.spread) * Math.max(SPREAD_FOLLOW, 1 / (this.learnt - 1));
      this.product += (move * this.move - this.product) * follow;
      this.square += (move * move - this.square) * follow;
    }
    this.move = move;
    this.last = value;
    for (let m = 0; m < FOLLOWS.length; m++) this.levels[m] = this.levels[m]! + (value - this.levels[m]!) * Math.max(FOLLOWS[m]!, 1 / this.learnt);
    this.short.push(value - this.origin);
    this.long.push(value - this.origin);
    this.ring.push(value);
  }

  skip(steps: number): void {
    this.ring.skip(steps);
  }

  /** Writes the features to `FEATURES` cells of `into` from `at` on. */
  write(into: Float32Array, at: number): void {
    const taken = this.square > 0 ? this.product / this.square : 0;
    const median = this.distance(this.origin + this.short.quantile(0.5));
    const longMedian = this.distance(this.origin + this.long.quantile(0.5));
    const width = this.spread > 0 ? Math.min(MOST_DISTANCE, (this.long.quantile(0.9) - this.long.quantile(0.1)) / this.spread) : 0;
    // Where the range is a few moves wide the series returns to its level, and where it is many it wanders.
    const returning = 1 / (1 + (width / 4) ** 2);
    into[at] = this.distance(this.levels[0]!);
    into[at + 1] = this.distance(this.levels[1]!);
    into[at + 2] = this.distance(this.levels[2]!);
    into[at + 3] = this.distance(this.levels[3]!);
    into[at + 4] = median;
    into[at + 5] = longMedian;
    into[at + 6] = this.distance(this.ring.back(2));
    into[at + 7] = this.distance(this.ring.back(4));
    into[at + 8] = longMedian * returning;
    into[at + 9] = this.distance(this.levels[1]!) * taken;
    into[at + 10] = this.distance(this.levels[2]!) * returning;
    into[at + 11] = longMedian * taken;
    into[at + 12] = returning;
    into[at + 13] = taken;
    into[at + 14] = this.spread > 0 ? Math.min(MOST_DISTANCE, Math.sqrt(this.square) / this.spread) - 1 : 0;
    into[at + FEATURES - 1] = 1;
  }
  /** How far `value` is from the newest one, in usual moves; 0 where it is unknown. */
  private distance(value: number): number {
    if (!(this.spread > 0) || Number.isNaN(value)) return 0;
    return Math.min(MOST_DISTANCE, Math.max(-MOST_DISTANCE, (value - this.last) / this.spread));
  }
}
