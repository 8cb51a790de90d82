import type { LeadGrid } from './lead-grid.js';

const KEEP_RATIO = 0.997;
/** Shares of the expected change among which the choice is. */
const TRUSTS = [0, 0.25, 0.5, 0.75, 1] as const;
/** What believing nothing is taken to lose before anything is known, as a share of the error. */
const FIRST_DOUBT = 0.03;
/** So many independent changes count as much as what the shorter lead says. */
const INHERITED_CHANGES = 6;
const SHARPNESS = 60;

/**
 * How far the forecast change from the last value is to be believed, per tracked lead: the share of it, 0..1, that
 * would have made the least absolute error lately. On a random walk nothing that models agree on comes true, and the last value is what remains;
 * where changes do come true nothing is taken from them. A lead's own changes overlap, so they count by their number over the
 * lead, and few of them inherit from the shorter lead.
 */
export class Abstention {
  /** Per tracked lead, pending pairs: the last value at issue and the change expected then. */
  private readonly pending: Float64Array[];
  /** Discounted absolute errors, and what they come to beside their mean, tracked lead × share. */
  private readonly losses: Float64Array;
  private readonly drawnIn: Float64Array;
  private readonly masses: Float64Array;
  private readonly trust: Float64Array;
  private stepsSeen = 0;

  constructor(private readonly grid: LeadGrid) {
    this.pending = Array.from(grid.leads, (lead) => new Float64Array(2 * lead).fill(NaN));
    this.losses = new Float64Array(grid.leads.length * TRUSTS.length);
    this.drawnIn = new Float64Array(grid.leads.length * TRUSTS.length);
    this.masses = new Float64Array(grid.leads.length);
    this.trust = new Float64Array(grid.leads.length).fill(1);
  }

  settle(value: number): void {
    for (let i = 0; i < this.grid.leads.length; i++) {
      const lead = this.grid.leads[i]!;
      const at = 2 * (this.stepsSeen % lead);
      const from = this.pending[i]![at]!;
      const change = this.pending[i]![at + 1]!;
      if (!Number.isNaN(from)) {
        for (let g = 0; g < TRUSTS.length; g++) {
          const cell = i * TRUSTS.length + g;
          this.losses[cell] = this.losses[cell]! * KEEP_RATIO + Math.abs(value - from - TRUSTS[g]! * change);
        }
        this.masses[i] = this.masses[i]! * KEEP_RATIO + 1;
      }
      this.choose(i);
    }
  }

  /** The mean of the shares, weighted by how little each lost; the shorter lead's losses stand in where a lead's own are few. */
  private choose(i: number): void {
    const count = TRUSTS.length;
    const own = i * count;
    let whole = 0;
    for (let g = 0; g < count; g++) whole += this.losses[own + g]! / count;
    const number = whole > 0 ? this.masses[i]! / this.grid.leads[i]! : 0;
    let best = Infinity;
    for (let g = 0; g < count; g++) {
      const inherited = i > 0 ? this.drawnIn[own - count + g]! : FIRST_DOUBT * (1 - TRUSTS[g]!);
      const told = number > 0 ? this.losses[own + g]! / whole - 1 : 0;
      this.drawnIn[own + g] = (number * told + INHERITED_CHANGES * inherited) / (number + INHERITED_CHANGES);
      best = Math.min(best, this.drawnIn[own + g]!);
    }
    let sum = 0;
    let mean = 0;
    for (let g = 0; g < count; g++) {
      const weight = Math.exp(-SHARPNESS * (this.drawnIn[own + g]! - best));
      sum += weight;
      mean += weight * TRUSTS[g]!;
    }
    this.trust[i] = mean / sum;
  }

  /** Remembers what is expected at each tracked lead, leads × width cells with the median at `median`, and moves on by one step. */
  issue(rows: Float64Array, width: number, median: number, last: number): void {
    for (let i = 0; i < this.grid.leads.length; i++) {
      const at = 2 * (this.stepsSeen % this.grid.leads[i]!);
      this.pending[i]![at] = last;
      this.pending[i]![at + 1] = rows[i * width + median]! - last;
    }
    this.stepsSeen++;
  }

  skip(steps: number): void {
    for (let left = Math.min(steps, this.grid.longest); left > 0; left--) {
      for (let i = 0; i < this.grid.leads.length; i++) this.pending[i]![2 * (this.stepsSeen % this.grid.leads[i]!)] = NaN;
      this.stepsSeen++;
    }
  }

  /** Moves rows of width cells towards the last value by what is not believed. */
  apply(leads: Int32Array, rows: Float64Array, width: number, median: number, last: number): void {
    for (let k = 0; k < leads.length; k++) {
      const low = this.grid.below(leads[k]!);
      const share = this.grid.share(leads[k]!);
      const trust = this.trust[low]! * (1 - share) + (share === 0 ? 0 : this.trust[low + 1]! * share);
      const shift = (trust - 1) * (rows[k * width + median]! - last);
      if (shift === 0) continue;
      for (let at = k * width; at < (k + 1) * width; at++) rows[at] = rows[at]! + shift;
    }
  }
}
