/**
 * Makes intervals hold what they promise: per tracked lead and level, a factor on the distance from the median, moved after each
 * settled step towards the nominal share (adaptive conformal inference, Gibbs and Candès 2021, in the form of quantile tracking,
 * Angelopoulos, Candès and Tibshirani 2023).
 *
 * 1. Factors act on distances, so unit and origin do not matter, and a row never crosses: it is put in order from the median out.
 * 2. A value that equals the quantile moves nothing: series of whole percents do not drive intervals to nothing.
 * 3. Neighbouring steps' misses at a long lead are one event told many times, so factors of long leads move more slowly.
 * 4. What is common to the series of a kind is kept in the kind's record, and a new series starts with it.
 */
import type { KindRecord } from './kind-memory.js';
import type { LeadGrid } from './lead-grid.js';
import { nearestToMedian, normalQuantile } from './levels.js';

const OWN_RATE = 0.002;
const KIND_RATE = 0.0008;
/** Own factors return to the kind's by this share a step. */
const RETURN_RATIO = 0.0005;
/** What differs by less, beside its size, is the same but for rounding. */
const TIE_RATIO = 1e-6;
const MOST_LOG_FACTOR = 1.2;
/** A lead of so many steps moves half as fast. */
const HALF_RATE_LEAD = 16;

export class Calibration {
  /** Logarithms of the factors, tracked lead × level. */
  private readonly own: Float64Array;
  /** What moves a factor by as much as the nominal share is off, for a normal distribution. */
  private readonly gain: Float64Array;
  private readonly median: number;
  /** The factors themselves, tracked lead × level. */
  private readonly factors: Float64Array;

  constructor(private readonly grid: LeadGrid, private readonly levels: readonly number[], private readonly kind: KindRecord | undefined) {
    this.own = new Float64Array(grid.leads.length * levels.length);
    this.factors = new Float64Array(this.own.length);
    this.median = nearestToMedian(levels);
    this.gain = Float64Array.from(levels, (level) => {
      const z = Math.abs(normalQuantile(level));
      return z < 0.05 ? 0 : 1 / Math.max(0.08, (z * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI));
    });
  }

  private logFactor(cell: number): number {
    const log = this.own[cell]! + (this.kind ? this.kind.logFactors[cell]! : 0);
    return Math.min(MOST_LOG_FACTOR, Math.max(-MOST_LOG_FACTOR, log));
  }

  /** Learns from the calibrated quantiles that were issued at tracked lead `i` for the step whose value has come. */
  learn(i: number, quantiles: Float32Array, at: number, value: number): void {
    const slow = this.grid.strides[i]! / (1 + this.grid.leads[i]! / HALF_RATE_LEAD);
    for (let j = 0; j < this.levels.length; j++) {
      if (j === this.median) continue;
      const level = this.levels[j]!;
      const quantile = quantiles[at + j]!;
      if (Math.abs(value - quantile) <= TIE_RATIO * (Math.abs(value) + Math.abs(quantile))) continue;
      const above = value > quantile ? 1 : 0;
      const off = j > this.median ? above - (1 - level) : 1 - above - level;
      const cell = i * this.levels.length + j;
      const push = off * this.gain[j]! * slow;
      this.own[cell] = this.own[cell]! * (1 - RETURN_RATIO) + OWN_RATE * push;
      if (this.kind) this.kind.logFactors[cell] = Math.min(MOST_LOG_FACTOR, Math.max(-MOST_LOG_FACTOR, this.kind.logFactors[cell]! + KIND_RATE * push));
    }
  }

  /** Makes ready for `apply`; once a step. */
  refresh(): void {
    for (let cell = 0; cell < this.factors.length; cell++) this.factors[cell] = Math.exp(this.logFactor(cell));
  }

  /** Calibrates leads × levels quantiles in place. */
  apply(leads: Int32Array, rows: Float64Array): void {
    const width = this.levels.length;
    for (let k = 0; k < leads.length; k++) {
      const low = this.grid.below(leads[k]!) * width;
      const share = this.grid.share(leads[k]!);
      const high = share === 0 ? low : low + width;
      const at = k * width;
      const middle = rows[at + this.median]!;
      for (let j = 0; j < width; j++) {
        if (j === this.median) continue;
        const factor = this.factors[low + j]! * (1 - share) + this.factors[high + j]! * share;
        rows[at + j] = middle + (rows[at + j]! - middle) * factor;
      }
      for (let j = this.median + 1; j < width; j++) if (rows[at + j]! < rows[at + j - 1]!) rows[at + j] = rows[at + j - 1]!;
      for (let j = this.median - 1; j >= 0; j--) if (rows[at + j]! > rows[at + j + 1]!) rows[at + j] = rows[at + j + 1]!;
    }
  }
}
