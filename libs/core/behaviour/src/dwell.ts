import { normalCdf } from '@godwit/forecasting';

/** Discount of past dwells at each new one. */
const KEEP_RATIO = 0.95;
/** Deviation of log dwell times that is assumed before it is learnt, and so many dwells that this counts. */
const PRIOR_DEVIATION = 0.5;
const PRIOR_DWELLS = 0.3;
/** Dwells are known to a step at best; a clockwork still wavers by a few percent. */
const LEAST_DEVIATION = 0.03;
/** Weight, in dwells, and scale, in steps, of the law for what was never seen to end: it has lasted, so it will. */
const UNSEEN_DWELLS = 0.25;
const UNSEEN_STEPS = 300;
/** Whole steps up to which survival is looked up: it is asked for hundreds of times between two dwells. */
const TABLE_STEPS = 256;

/**
 * How long a phase lasts, in steps: a log-normal learnt from its completed dwells, mixed with a long-tailed law, so that a
 * phase that outlasts all experience is expected to last on. A plain Markov chain can only say "geometric", under which a
 * switch that comes every minute is never expected.
 */
export class Dwell {
  private count = 0;
  private mean = 0;
  private variance = 0;
  private readonly table = new Float64Array(TABLE_STEPS);
  /** Entries of the table that are valid. */
  private filled = 0;

  get completed(): number {
    return this.count;
  }

  /** @param steps of one completed stay, ≥ 1. */
  learn(steps: number): void {
    const value = Math.log(Math.max(1, steps));
    this.count = this.count * KEEP_RATIO + 1;
    const away = value - this.mean;
    this.mean += away / this.count;
    this.variance += (away * (value - this.mean) - this.variance) / this.count;
    this.filled = 0;
  }

  absorb(other: Dwell): void {
    const count = this.count + other.count;
    if (count === 0) return;
    const share = other.count / count;
    const away = other.mean - this.mean;
    this.variance = (1 - share) * this.variance + share * other.variance + share * (1 - share) * away * away;
    this.mean += share * away;
    this.count = count;
    this.filled = 0;
  }

  restart(): void {
    this.filled = 0;
    this.count = 0;
    this.mean = 0;
    this.variance = 0;
  }

  /** Probability to last longer than `steps` ≥ 0, to the nearest whole step: falls from 1. */
  survival(steps: number): number {
    const whole = Math.round(steps);
    if (!(whole < TABLE_STEPS)) return this.compute(whole);
    if (whole <= 0) return 1;
    for (; this.filled <= whole; this.filled++) this.table[this.filled] = this.compute(this.filled);
    return this.table[whole]!;
  }

  private compute(steps: number): number {
    if (steps <= 0) return 1;
    const unseen = 1 / (1 + steps / UNSEEN_STEPS);
    if (this.count === 0) return unseen;
    const prior = PRIOR_DEVIATION * PRIOR_DEVIATION * PRIOR_DWELLS;
    const deviation = Math.sqrt(Math.max(LEAST_DEVIATION * LEAST_DEVIATION, (this.variance * this.count + prior) / (this.count + PRIOR_DWELLS)));
    // A stay of d whole steps ended between d - 1/2 and d + 1/2.
    const known = 1 - normalCdf((Math.log(steps + 0.5) - this.mean) / deviation);
    return (this.count * known + UNSEEN_DWELLS * unseen) / (this.count + UNSEEN_DWELLS);
  }

  /** Steps after which a stay that has lasted `age` is over with this probability; undefined when that is beyond `mostSteps`. */
  remaining(age: number, probability: number, mostSteps: number): number | undefined {
    const left = this.survival(age) * (1 - probability);
    if (this.survival(age + mostSteps) > left) return undefined;
    let [low, high] = [0, mostSteps];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.survival(age + middle) > left) low = middle;
      else high = middle;
    }
    return high;
  }
}
