import { ValueRing } from './value-ring.js';

/** Longest period that can be found: a day of 5-minute steps is 288. */
export const LONGEST_PERIOD = 400;
/** Discount of past products per step: half forgotten after 693 steps, so that more than two days of 5-minute steps count. */
const KEEP_RATIO = 0.999;
/** The level that products are taken around follows over this many steps at most. */
const LEVEL_STEPS = 400;
/** A deviation counts as at most so many usual ones: a single burst is no season. */
const MOST_DEVIATION = 3;
/** The autocorrelation at a season, beyond chance, and above the valley before it. */
const LEAST_CORRELATION = 0.25;
const LEAST_RISE = 0.2;
const CHANCE_DEVIATIONS = 2.8;
/** A slow season holds on from step to step as well, and must not be taken for chance altogether. */
const MOST_CHANCE_WIDTH = 10;
/** The known period stays while its correlation is this share of another's. */
const STAYS_RATIO = 0.985;
/** Looked for again every so many steps. */
const EVERY_STEPS = 16;
/** A shorter period is preferred when its correlation is this share of the best one's: multiples of a season correlate as well. */
const AS_GOOD_RATIO = 0.9;

/**
 * Finds the period of a series, in steps: the lag at which its discounted autocorrelation has a peak behind a valley.
 * One product per lag and step keeps the sums (400 of them), so that nothing is ever computed at one blow; memory 9 KiB.
 * Rejected: a periodogram by FFT now and then (a spike of work, and it needs the valley test all the same to tell a season from
 * a slow drift).
 */
export class SeasonDetector {
  /** Steps from one season to the next; 0 while there is none. */
  period = 0;
  private readonly deviations = new ValueRing(LONGEST_PERIOD + 1);
  private readonly products = new Float64Array(LONGEST_PERIOD + 1);
  private readonly masses = new Float64Array(LONGEST_PERIOD + 1);
  private level = NaN;
  private spread = 0;
  private learnt = 0;

  update(value: number): void {
    if (Number.isNaN(this.level)) this.level = value;
    this.learnt++;
    const off = value - this.level;
    const follow = 1 / Math.min(this.learnt, LEVEL_STEPS);
    this.level += off * follow;
    this.spread += (Math.abs(off) - this.spread) * follow;
    const deviation = this.spread > 0 ? Math.min(MOST_DEVIATION, Math.max(-MOST_DEVIATION, off / this.spread)) : 0;
    this.deviations.push(deviation);
    this.addProducts(deviation);
    if (this.learnt % EVERY_STEPS === 0) this.detect();
  }

  skip(steps: number): void {
    this.deviations.skip(steps);
  }

  private addProducts(deviation: number): void {
    const { products, masses } = this;
    const longest = Math.min(LONGEST_PERIOD, this.learnt);
    for (let lag = 0; lag <= longest; lag++) {
      const before = this.deviations.back(lag + 1);
      if (Number.isNaN(before)) continue;
      products[lag] = products[lag]! * KEEP_RATIO + deviation * before;
      masses[lag] = masses[lag]! * KEEP_RATIO + 1;
    }
  }

  /** Autocorrelation at `lag`; 0 while it rests on less than one whole period. */
  correlation(lag: number): number {
    const variance = this.products[0]! / Math.max(1, this.masses[0]!);
    if (!(variance > 0) || this.masses[lag]! < Math.max(8, Math.min(lag, 0.6 * LEVEL_STEPS))) return 0;
    return this.products[lag]! / this.masses[lag]! / variance;
  }

  /** Bartlett's variance of an autocorrelation, times the number of products: what holds on from step to step correlates by chance. */
  private chanceWidth(longest: number): number {
    let width = 1;
    for (let lag = 1; lag <= longest && this.correlation(lag) > 0.1; lag++) width += 2 * this.correlation(lag) ** 2;
    return Math.min(MOST_CHANCE_WIDTH, width);
  }

  private detect(): void {
    let valley = 1;
    let best = 0;
    let bestLag = 0;
    const longest = Math.min(LONGEST_PERIOD - 1, Math.floor(this.learnt / 2));
    const width = this.chanceWidth(longest);
    for (let lag = 1; lag <= longest; lag++) {
      const r = this.correlation(lag);
      const chance = CHANCE_DEVIATIONS * Math.sqrt(width / Math.max(1, this.masses[lag]!));
      const peak = r >= this.correlation(lag - 1) && r >= this.correlation(lag + 1);
      if (lag > 1 && peak && r > LEAST_CORRELATION && r > chance && r - valley > LEAST_RISE && r * AS_GOOD_RATIO > best) {
        best = r;
        bestLag = lag;
      }
      valley = Math.min(valley, r);
    }
    const found = this.sharpened(bestLag);
    // The one that is known stays while it is as good: models built on it need not start anew.
    const known = this.period;
    if (known > 0 && found > 0 && this.correlation(known) >= STAYS_RATIO * this.correlation(found)) return;
    this.period = found;
  }

  /** The best lag near a peak: noise sets small peaks beside the true one, and a season that is a step off drifts away. */
  private sharpened(lag: number): number {
    let best = lag;
    const reach = Math.floor(lag / 10);
    for (let near = lag - reach; near <= Math.min(LONGEST_PERIOD, lag + reach); near++) if (this.correlation(near) > this.correlation(best)) best = near;
    return best;
  }
}
