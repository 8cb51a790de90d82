/** What one phase looks like: the composition of its counters and the logarithm of their rate, learnt from its own steps. */
import { SLOTS } from './site-table.js';

/** One step of a trace: shares of the slots, the sum of the counts, and log(1 + counts per second). */
export interface Observation {
  readonly shares: Float64Array;
  count: number;
  logRate: number;
}

export const createObservation = (): Observation => ({ shares: new Float64Array(SLOTS), count: 0, logRate: 0 });

/**
 * Counts of thousands a step would make a multinomial so sure that a change of a percent is another phase. So many of them
 * count at most: real compositions waver more than independent draws do.
 */
const MOST_TRIALS = 80;
/** Share of every composition that is spread evenly: a site not seen so far is unlikely, never impossible. */
const SMOOTHING = 0.02;
/** Variance of the log rate that is assumed before it is learnt, and so many steps that this counts. */
const PRIOR_VARIANCE = 0.04;
const PRIOR_STEPS = 4;
/** Rates of one phase differ by some percent at least. */
const LEAST_VARIANCE = 0.0025;
/** A phase forgets: its newest step counts for no less than this. */
const LEAST_FOLLOW = 0.02;
const FOLLOW_MISFIT = 0.05;

export class Emission {
  readonly shares = new Float64Array(SLOTS);
  logRate = 0;
  variance = PRIOR_VARIANCE;
  /** Steps learnt from, discounted. */
  steps = 0;
  /** Usual misfit of its own steps; about the degrees of freedom where the model is right, more where the phase wavers. */
  misfit = 2;

  restart(from: Observation): void {
    this.shares.set(from.shares);
    this.logRate = from.logRate;
    this.variance = PRIOR_VARIANCE;
    this.steps = 1;
    this.misfit = 2;
  }

  /** How badly a step fits: about chi-square distributed where it belongs to the phase, large where it does not. */
  misfitOf({ shares, count, logRate }: Observation): number {
    const away = logRate - this.logRate;
    return 2 * Math.min(MOST_TRIALS, count) * divergence(shares, this.shares) + (away * away) / this.varianceFor(count);
  }

  /** Log likelihood of a step, up to a constant that all phases share. @param misfit from `misfitOf`. */
  logLikelihood(misfit: number, count: number): number {
    return -0.5 * (misfit / Math.max(1, this.misfit) + Math.log(this.varianceFor(count)));
  }

  /** @param weight probability that the step belongs to the phase, 0..1. */
  learn({ shares, logRate }: Observation, weight: number, misfit: number): void {
    if (!(weight > 0)) return;
    this.steps = Math.min(1 / LEAST_FOLLOW, this.steps + weight);
    const follow = weight / this.steps;
    for (let i = 0; i < SLOTS; i++) this.shares[i] = this.shares[i]! + follow * (shares[i]! - this.shares[i]!);
    const away = logRate - this.logRate;
    this.logRate += follow * away;
    const followVariance = weight / (this.steps + PRIOR_STEPS);
    this.variance = Math.max(LEAST_VARIANCE, this.variance + followVariance * (away * away - this.variance));
    this.waver(misfit, weight);
  }

  /** Makes the phase more tolerant, or less, without learning the step itself. */
  waver(misfit: number, weight: number): void {
    this.misfit += weight * FOLLOW_MISFIT * (misfit - this.misfit);
  }

  /** How far two phases are apart, on the scale of `misfitOf`. */
  distanceTo(other: Emission): number {
    const away = this.logRate - other.logRate;
    // Of a phase that hardly counts anything, the composition says hardly anything.
    const trials = Math.min(MOST_TRIALS, Math.expm1(Math.min(this.logRate, other.logRate)));
    const apart = Math.max(divergence(this.shares, other.shares), divergence(other.shares, this.shares));
    return (2 * trials * apart) / Math.max(1, this.misfit, other.misfit) + (away * away) / (this.variance + other.variance);
  }

  /** Takes in another phase that turned out to be the same. */
  absorb(other: Emission): void {
    const share = other.steps / (this.steps + other.steps);
    for (let i = 0; i < SLOTS; i++) this.shares[i] = this.shares[i]! + share * (other.shares[i]! - this.shares[i]!);
    const away = other.logRate - this.logRate;
    this.variance = (1 - share) * this.variance + share * other.variance + share * (1 - share) * away * away;
    this.logRate += share * away;
    this.steps = Math.min(1 / LEAST_FOLLOW, this.steps + other.steps);
    this.misfit = Math.max(this.misfit, other.misfit);
  }

  /** Few counts tell a rate badly. */
  private varianceFor(count: number): number {
    return this.variance + 1 / (count + 1);
  }
}

/** Kullback–Leibler divergence of `seen` from the smoothed `expected`; 0 where nothing was seen. */
function divergence(seen: Float64Array, expected: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < SLOTS; i++) {
    const share = seen[i]!;
    if (share > 0) sum += share * Math.log(share / ((1 - SMOOTHING) * expected[i]! + SMOOTHING / SLOTS));
  }
  return Math.max(0, sum);
}
