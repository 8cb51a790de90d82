import { normalQuantile } from './levels.js';
import { LeadGrid } from './lead-grid.js';
import type { ModelOptions } from './model.js';
import { SortedWindow } from './sorted-window.js';

/** Errors kept per lead: a 2.5 % tail rests on three of them, and two minutes of 1 s steps have forgotten what was before. */
const WINDOW_ERRORS = 128;
/** From so many errors on, the distribution is theirs alone; before, it is blended with a normal one. */
const ENOUGH_ERRORS = 40;
/** An error of less than this share of the usual one is rounding: it has no sign. */
const NO_ERROR_RATIO = 1e-6;
/** So many independent errors halve the pull towards a distribution that is symmetric around zero. */
const SYMMETRY_WEIGHT = 8;

/**
 * What a point model's errors were at 1, 2, 4, … steps ahead, and the error quantiles at any lead between.
 *
 * Errors at long leads overlap: of 128 errors at lead 64 only about two are independent, and their median is mostly noise.
 * So the number of changes of sign tells how many are independent, and where they are few the distribution is made
 * symmetric around zero (a random walk keeps its last value as its forecast, with honest width).
 */
export class LeadErrors {
  private readonly grid: LeadGrid;
  private readonly leads: Int32Array;
  private readonly pending: Float64Array[];
  private readonly windows: SortedWindow[];
  /** Recent share of errors whose sign is not that of the error before. */
  private readonly flips: Float64Array;
  /** Recent mean size of an error. */
  private readonly usual: Float64Array;
  private readonly lastSign: Int8Array;
  private readonly normal: Float64Array;
  private readonly table: Float64Array;
  private readonly symmetric: boolean;
  private readonly seen: Float64Array;
  private stepsSeen = 0;
  private tableStale = true;

  constructor(private readonly options: ModelOptions) {
    this.grid = new LeadGrid(options.maxHorizonSteps);
    this.leads = this.grid.leads;
    this.pending = Array.from(this.leads, (lead) => new Float64Array(lead).fill(NaN));
    this.windows = Array.from(this.leads, () => new SortedWindow(WINDOW_ERRORS));
    this.flips = new Float64Array(this.leads.length);
    this.usual = new Float64Array(this.leads.length);
    this.lastSign = new Int8Array(this.leads.length);
    this.normal = Float64Array.from(options.levels, normalQuantile);
    this.table = new Float64Array(this.leads.length * options.levels.length);
    this.symmetric = options.levels.every((level, j) => Math.abs(level + options.levels[options.levels.length - 1 - j]! - 1) < 1e-12);
    this.seen = new Float64Array(options.levels.length);
  }

  get maxLead(): number {
    return this.grid.longest;
  }

  /** Compares `value`, the newest step, with what was forecast for it. */
  settle(value: number): void {
    for (let i = 0; i < this.leads.length; i++) {
      const lead = this.leads[i]!;
      const forecast = this.pending[i]![this.stepsSeen % lead]!;
      if (Number.isNaN(forecast)) continue;
      const error = value - forecast;
      this.windows[i]!.push(error);
      const follow = 1 / Math.min(this.windows[i]!.size + 1, WINDOW_ERRORS);
      this.usual[i] = this.usual[i]! + (Math.abs(error) - this.usual[i]!) * follow;
      const sign = Math.abs(error) <= this.usual[i]! * NO_ERROR_RATIO ? 0 : error > 0 ? 1 : -1;
      const flipped = sign === 0 || sign !== this.lastSign[i]! ? 1 : 0;
      this.flips[i] = this.flips[i]! + (flipped - this.flips[i]!) * follow;
      if (sign !== 0) this.lastSign[i] = sign;
    }
    this.tableStale = true;
  }

  /** Remembers the forecasts issued at this step and moves the grid on by one step. */
  issue(path: Float64Array): void {
    for (let i = 0; i < this.leads.length; i++) {
      const lead = this.leads[i]!;
      this.pending[i]![this.stepsSeen % lead] = path[lead - 1]!;
    }
    this.stepsSeen++;
  }

  /** A step without a sample: what was forecast for it stays unsettled, and nothing is issued. */
  miss(): void {
    for (let i = 0; i < this.leads.length; i++) this.pending[i]![this.stepsSeen % this.leads[i]!] = NaN;
    this.stepsSeen++;
  }

  /** Writes `point` plus the error quantiles at `lead` to the `levels` cells of `into` from `at` on. */
  write(point: number, lead: number, into: Float64Array, at: number): void {
    if (this.tableStale) this.fillTable();
    const width = this.options.levels.length;
    const table = this.table;
    const low = this.grid.below(lead) * width;
    const share = this.grid.share(lead);
    if (share === 0) {
      const growth = lead > this.grid.longest ? this.growthBeyond(Math.log2(lead)) : 1;
      for (let j = 0; j < width; j++) into[at + j] = point + table[low + j]! * growth;
      return;
    }
    const high = low + width;
    for (let j = 0; j < width; j++) into[at + j] = point + (table[low + j]! * (1 - share) + table[high + j]! * share);
  }

  /** How much wider than at the longest tracked lead: the growth over the last octave goes on, at most as of a random walk. */
  private growthBeyond(place: number): number {
    const { top } = this.grid;
    if (top === 0) return 2 ** (place / 2);
    const wide = this.spreadOf(top);
    const narrow = this.spreadOf(top - 1);
    const perOctave = narrow > 0 ? Math.min(Math.SQRT2, Math.max(1, wide / narrow)) : 1;
    return perOctave ** (place - top);
  }

  private spreadOf(row: number): number {
    const width = this.options.levels.length;
    return this.table[row * width + width - 1]! - this.table[row * width]!;
  }

  private fillTable(): void {
    const { levels } = this.options;
    const width = levels.length;
    let deviation = this.options.priorSpread;
    for (let i = 0; i < this.leads.length; i++) {
      const window = this.windows[i]!;
      if (window.size >= 8) deviation = (window.quantile(0.9) - window.quantile(0.1)) / 2.5631;
      else if (i > 0) deviation *= Math.SQRT2;
      const own = Math.min(1, window.size / ENOUGH_ERRORS);
      const independent = 2 * this.flips[i]! * window.size;
      const asSeen = independent / (independent + SYMMETRY_WEIGHT);
      for (let j = 0; j < width; j++) this.seen[j] = window.quantile(levels[j]!);
      for (let j = 0; j < width; j++) {
        const seen = this.seen[j]!;
        const mirrored = (seen - (this.symmetric ? this.seen[width - 1 - j]! : window.quantile(1 - levels[j]!))) / 2;
        const empirical = asSeen * seen + (1 - asSeen) * mirrored;
        this.table[i * width + j] = own * empirical + (1 - own) * this.normal[j]! * deviation;
      }
    }
    this.tableStale = false;
  }
}
