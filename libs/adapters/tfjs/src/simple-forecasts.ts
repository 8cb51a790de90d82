/**
 * Five forecasts that need no learning, and how far off each was within the window at each lead. The network starts from last
 * value, or from a line or a cycle where those were clearly better, in scales of that error: a straight ramp or a clean cycle is
 * then as small a task as noise. (Tried and worse on spiky series: a start that also mixes means, and errors with the wildest cut.)
 */
import { LEADS } from './shape.js';
import { seasonalAt } from './window-measures.js';

/** Last value, mean, two lines (over 4 steps; through means over 16), last cycle. */
export const SIMPLE_FORECASTS = 5;

/** Steps of history that each needs, the newest included. */
const MEAN_STEPS = 16;
const LINE_STEPS = 4;
const SLOW_STEPS = 8;
const SLOW_APART = 16;
/** A share falls with this power of the error. */
const SHARPNESS = 8;
/** Last value's error counts as so much of itself: the others have to be clearly better. The mean is for the traits only. */
const HANDICAPS: readonly number[] = [0.6, Infinity, 1, 1, 1];
/** For the calm error, errors beyond so many means count as that; done so often, each time with the new mean. */
const CUT_MEANS = 3;
const CUTS = 3;

export interface Backtest {
  /** Leads × SIMPLE_FORECASTS mean absolute errors; NaN where the window is too short to tell. */
  readonly errors: Float64Array;
  /** Leads: last value's mean absolute error with the wildest errors cut: how it does between the jumps. */
  readonly calm: Float64Array;
}
export const newBacktest = (): Backtest => ({ errors: new Float64Array(LEADS.length * SIMPLE_FORECASTS), calm: new Float64Array(LEADS.length) });

const sums = new Float64Array(1_024);
const misses = new Float64Array(1_024);
/** Fewer pairs than this say nothing. */
const LEAST_PAIRS = 8;

/** Fills `into` from the newest values in the first `steps` cells of `window`. @param period 0 for none. */
export function backtest(window: Float64Array, steps: number, period: number, into: Backtest): void {
  prepare(window, steps);
  for (let i = 0; i < LEADS.length; i++) {
    for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) {
      const lead = LEADS[i]!;
      const first = kind === 4 && period > 0 ? period - 1 : FIRST[kind]!;
      let count = 0;
      let sum = 0;
      for (let t = first; t + lead < steps; t++) {
        const miss = Math.abs(window[t + lead]! - simpleForecast(kind, window, t + 1, period, lead));
        misses[count++] = miss;
        sum += miss;
      }
      const usable = count >= LEAST_PAIRS && (kind !== 4 || period > 0);
      into.errors[i * SIMPLE_FORECASTS + kind] = usable ? sum / count : NaN;
      if (kind === 0) into.calm[i] = usable ? cutMean(count, sum / count) : NaN;
    }
  }
}

/** Index of the first value at which each can be made. */
const FIRST: readonly number[] = [0, MEAN_STEPS - 1, LINE_STEPS, SLOW_STEPS + SLOW_APART - 1, 0];

function cutMean(count: number, plain: number): number {
  let mean = plain;
  for (let cut = 0; cut < CUTS; cut++) {
    const most = CUT_MEANS * mean;
    let sum = 0;
    for (let k = 0; k < count; k++) sum += Math.min(misses[k]!, most);
    mean = sum / count;
  }
  return mean;
}

/** Forecast `kind` from the first `steps` cells for `lead` steps after them. Only for the window that was prepared last: means come from running sums. */
export function simpleForecast(kind: number, window: Float64Array, steps: number, period: number, lead: number): number {
  const last = window[steps - 1]!;
  switch (kind) {
    case 1: return meanBefore(steps, MEAN_STEPS);
    case 2: return steps > LINE_STEPS ? last + (lead * (last - window[steps - 1 - LINE_STEPS]!)) / LINE_STEPS : last;
    case 3: {
      if (steps < SLOW_STEPS + SLOW_APART) return last;
      const near = meanBefore(steps, SLOW_STEPS);
      const slope = (near - meanBefore(steps - SLOW_APART, SLOW_STEPS)) / SLOW_APART;
      return near + slope * (lead + (SLOW_STEPS - 1) / 2);
    }
    case 4: return period === 0 ? last : seasonalAt(window, steps, period, lead, 1);
    default: return last;
  }
}

/** Makes `simpleForecast` ready for a window; `backtest` does so by itself. */
export function prepare(window: Float64Array, steps: number): void {
  sums[0] = 0;
  for (let t = 0; t < steps; t++) sums[t + 1] = sums[t]! + window[t]!;
}

function meanBefore(steps: number, count: number): number {
  const from = Math.max(0, steps - count);
  return (sums[steps]! - sums[from]!) / (steps - from);
}

/** Writes each forecast's share of the start at lead `i` to `into` from `at` on; the shares add up to 1. @returns the error of the start, NaN where none is known. */
export function writeShares({ errors }: Backtest, i: number, floor: number, into: Float64Array, at: number): number {
  const handicapped = (kind: number): number => Math.max(floor, errors[i * SIMPLE_FORECASTS + kind]!) * HANDICAPS[kind]!;
  let best = Infinity;
  for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) if (handicapped(kind) < best) best = handicapped(kind);
  into.fill(0, at, at + SIMPLE_FORECASTS);
  into[at] = 1;
  if (best === Infinity) return NaN;
  let total = 0;
  for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) {
    const error = handicapped(kind);
    into[at + kind] = Number.isNaN(error) ? 0 : (best / error) ** SHARPNESS;
    total += into[at + kind]!;
  }
  let error = 0;
  for (let kind = 0; kind < SIMPLE_FORECASTS; kind++) {
    const share = into[at + kind]! / total;
    into[at + kind] = share;
    if (share > 0) error += share * errors[i * SIMPLE_FORECASTS + kind]!;
  }
  return error;
}
