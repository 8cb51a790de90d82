import { nearestToMedian, normalQuantile } from './levels.js';
import { LeadGrid } from './lead-grid.js';
import type { ModelOptions } from './model.js';
import { SortedWindow } from './sorted-window.js';

/** Errors kept per lead: a 2.5 % tail rests on two or three; at leads up to 16 a minute and a half of 1 s steps has forgotten what was before. */
const WINDOW_ERRORS = 96;
/** The distribution is renewed at every step of the first so many, then every so many. */
const OFTEN_STEPS = 96;
const RENEW_EVERY_STEPS = 4;
/** From so many errors on, the distribution is theirs alone; before, it is blended with a normal one. */
const ENOUGH_ERRORS = 40;
/** Fewer errors have no spread. */
const LEAST_ERRORS = 8;
/** Distance of the 10 % and the 90 % quantile of a normal distribution, in deviations. */
const NORMAL_SPREAD = 2.5631;
/** An error of less than this share of the usual one is rounding: it has no sign. */
const NO_ERROR_RATIO = 1e-6;
/** So many independent errors halve the pull towards a distribution that is symmetric around zero. */
const SYMMETRY_WEIGHT = 8;

/** So many independent errors halve the pull towards the quantiles that are expected: the model's own, or the shorter lead's, grown. */
const EXPECTED_WEIGHT = 10;
/** Growth of the spread from one lead to its double, as a logarithm: a guess, and so many independent errors that halve its weight. */
const USUAL_LOG_GROWTH = Math.LN2 / 4;
const GROWTH_WEIGHT = 8;
/** A random walk's: nothing that does not explode grows faster. */
const MOST_LOG_GROWTH = Math.LN2 / 2;

/**
 * What a point model's errors were at 1, 2, 4, … steps ahead, and the error quantiles at any lead between.
 *
 * Errors at long leads overlap: neighbouring errors at lead 64 tell the same event, and the median of a few events is mostly noise.
 * So long leads follow up every second or fourth step only.
 * So the number of changes of sign tells how many are independent. Where they are few the distribution is made symmetric around
 * zero (a random walk keeps its last value as its forecast), and its width leans on that of the shorter lead, grown as it grew
 * from lead to lead where errors were many.
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
  private readonly median: number;
  private readonly seen: Float64Array;
  private stepsSeen = 0;
  private readonly expected: Float64Array;

  /** @param offsets writes the error quantiles to expect, tracked lead × level, for where errors are few; answers whether it has any. */
  constructor(private readonly options: ModelOptions, private readonly offsets?: (into: Float64Array) => boolean) {
    this.grid = new LeadGrid(options.maxHorizonSteps);
    this.leads = this.grid.leads;
    this.pending = Array.from(this.leads, (lead, i) => new Float64Array(lead / this.grid.strides[i]!).fill(NaN));
    this.windows = Array.from(this.leads, () => new SortedWindow(WINDOW_ERRORS));
    this.flips = new Float64Array(this.leads.length);
    this.usual = new Float64Array(this.leads.length);
    this.lastSign = new Int8Array(this.leads.length);
    this.normal = Float64Array.from(options.levels, normalQuantile);
    this.table = new Float64Array(this.leads.length * options.levels.length);
    this.symmetric = options.levels.every((level, j) => Math.abs(level + options.levels[options.levels.length - 1 - j]! - 1) < 1e-12);
    this.median = nearestToMedian(options.levels);
    this.expected = new Float64Array(this.table.length);
    this.seen = new Float64Array(options.levels.length);
  }

  get maxLead(): number {
    return this.grid.longest;
  }

  /** Compares `value`, the newest step, with what was forecast for it. */
  settle(value: number): void {
    for (let i = 0; i < this.leads.length; i++) {
      if (this.stepsSeen % this.grid.strides[i]! !== 0) continue;
      const forecast = this.pending[i]![this.slot(i)]!;
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
  }

  /** Place of the step at hand among the pending forecasts of tracked lead `i`. */
  private slot(i: number): number {
    return (this.stepsSeen % this.leads[i]!) / this.grid.strides[i]!;
  }

  /** Remembers the forecasts issued at this step and moves the grid on by one step. */
  issue(path: Float64Array): void {
    for (let i = 0; i < this.leads.length; i++) {
      if (this.stepsSeen % this.grid.strides[i]! === 0) this.pending[i]![this.slot(i)] = path[this.leads[i]! - 1]!;
    }
    if (this.stepsSeen < OFTEN_STEPS || this.stepsSeen % RENEW_EVERY_STEPS === 0) this.fillTable();
    this.stepsSeen++;
  }

  /** A step without a sample: what was forecast for it stays unsettled, and nothing is issued. */
  miss(): void {
    for (let i = 0; i < this.leads.length; i++) if (this.stepsSeen % this.grid.strides[i]! === 0) this.pending[i]![this.slot(i)] = NaN;
    this.stepsSeen++;
  }

  /** Writes `point` plus the error quantiles at `lead` to the `levels` cells of `into` from `at` on. */
  write(point: number, lead: number, into: Float64Array, at: number): void {
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
    const expecting = this.offsets?.(this.expected) ?? false;
    let logGrowth = USUAL_LOG_GROWTH;
    let shorter = 0;
    let known = 0;
    for (let i = 0; i < this.leads.length; i++) {
      const window = this.windows[i]!;
      const independent = 2 * this.flips[i]! * window.size;
      const spread = window.size >= LEAST_ERRORS ? window.quantile(0.9) - window.quantile(0.1) : 0;
      if (i > 0 && spread > 0 && shorter > 0) {
        const weight = Math.min(known, independent);
        logGrowth = (logGrowth * GROWTH_WEIGHT + Math.log(spread / shorter) * weight) / (GROWTH_WEIGHT + weight);
        logGrowth = Math.min(MOST_LOG_GROWTH, Math.max(0, logGrowth));
      }
      if (!expecting) this.expect(i, spread, Math.exp(logGrowth));
      const own = i === 0 && !expecting ? Math.min(1, window.size / ENOUGH_ERRORS) : independent / (independent + EXPECTED_WEIGHT);
      this.blend(i, own, independent);
      [shorter, known] = [spread, independent];
    }
  }

  /** What to expect where nothing else is known: a normal distribution at the shortest lead, then the shorter lead's, grown. */
  private expect(i: number, spread: number, growth: number): void {
    const width = this.options.levels.length;
    if (i === 0) {
      const deviation = spread > 0 ? spread / NORMAL_SPREAD : this.options.priorSpread;
      for (let j = 0; j < width; j++) this.expected[j] = this.normal[j]! * deviation;
      return;
    }
    const from = (i - 1) * width;
    const centre = this.table[from + this.median]!;
    for (let j = 0; j < width; j++) this.expected[i * width + j] = centre + (this.table[from + j]! - centre) * growth;
  }

  /** @param own share of what was seen beside what was expected, 0..1. */
  private blend(i: number, own: number, independent: number): void {
    const { levels } = this.options;
    const width = levels.length;
    const window = this.windows[i]!;
    const asSeen = independent / (independent + SYMMETRY_WEIGHT);
    for (let j = 0; j < width; j++) this.seen[j] = window.quantile(levels[j]!);
    const centre = asSeen * this.seen[this.median]!;
    for (let j = 0; j < width; j++) {
      const seen = this.seen[j]!;
      const mirrored = (seen - (this.symmetric ? this.seen[width - 1 - j]! : window.quantile(1 - levels[j]!))) / 2;
      const empirical = asSeen * seen + (1 - asSeen) * mirrored;
      // Fisher's expansion of Student's t: a quantile from few independent errors lies further out than it seems.
      const wider = 1 + (this.normal[j]! ** 2 + 1) / (4 * (independent + 1));
      this.table[i * width + j] = own * (centre + (empirical - centre) * wider) + (1 - own) * this.expected[i * width + j]!;
    }
  }
}
