/** Simple facts of a window that stands in the first `steps` cells of an array, oldest first. */

export function meanOfNewest(window: Float64Array, steps: number, count: number): number {
  const from = Math.max(0, steps - count);
  let sum = 0;
  for (let t = from; t < steps; t++) sum += window[t]!;
  return sum / (steps - from);
}

const sorted = new Float64Array(512);

/** @param count at most 512. */
export function medianOfNewest(window: Float64Array, steps: number, count: number): number {
  const from = Math.max(0, steps - count);
  const size = steps - from;
  const part = sorted.subarray(0, size);
  part.set(window.subarray(from, steps));
  part.sort();
  return (part[(size - 1) >> 1]! + part[size >> 1]!) / 2;
}

/** Least-squares slope per step. */
export function slopeOfNewest(window: Float64Array, steps: number, count: number): number {
  const from = Math.max(0, steps - count);
  const middle = (from + steps - 1) / 2;
  let product = 0;
  let square = 0;
  for (let t = from; t < steps; t++) {
    product += (t - middle) * window[t]!;
    square += (t - middle) ** 2;
  }
  return square > 0 ? product / square : 0;
}

export interface Season {
  /** Steps; 0 for none. */
  readonly period: number;
  /** Autocorrelation at it, 0..1. */
  readonly strength: number;
}

const NO_SEASON: Season = { period: 0, strength: 0 };
const LEAST_PERIOD = 2;
/** Weaker cycles are noise in a window of this length. */
const LEAST_STRENGTH = 0.2;
const detrended = new Float64Array(512);
const correlations = new Float64Array(256);

/** The lag whose autocorrelation stands out, after the window's line is taken off; half the window at most. */
export function findSeason(window: Float64Array, steps: number, mean: number): Season {
  const most = Math.min(64, steps >> 1);
  const slope = slopeOfNewest(window, steps, steps);
  const middle = (steps - 1) / 2;
  let variance = 0;
  for (let t = 0; t < steps; t++) {
    detrended[t] = window[t]! - mean - slope * (t - middle);
    variance += detrended[t]! ** 2;
  }
  if (!(variance > 0)) return NO_SEASON;
  for (let lag = 1; lag <= most; lag++) {
    let sum = 0;
    for (let t = lag; t < steps; t++) sum += detrended[t]! * detrended[t - lag]!;
    correlations[lag] = (sum / variance) * (steps / (steps - lag));
  }
  let best = 0;
  let strength = LEAST_STRENGTH;
  let deepest = 1;
  for (let lag = 1; lag < most; lag++) {
    const here = correlations[lag]!;
    deepest = Math.min(deepest, here);
    // A slow series is like itself at every short lag: a cycle is what comes back after having been different.
    if (lag < LEAST_PERIOD || here < correlations[lag - 1]! || here < correlations[lag + 1]! || here - deepest < 0.2) continue;
    // Two cycles fit as well as one; the shorter wins unless it is clearly worse.
    if (here <= strength * 1.05 && best > 0) continue;
    if (here < strength) continue;
    best = lag;
    strength = here;
  }
  return best === 0 ? NO_SEASON : { period: best, strength: Math.min(1, strength) };
}

/** Mean of the values `lead` steps ahead in the newest `cycles` cycles; 0 (the last value) without a season. */
export function seasonalAt(window: Float64Array, steps: number, period: number, lead: number, cycles: number): number {
  if (period === 0) return 0;
  let at = steps - 1 + lead - period * Math.ceil(lead / period);
  let sum = 0;
  let count = 0;
  for (; at >= 0 && count < cycles; at -= period, count++) sum += window[at]!;
  return count === 0 ? 0 : sum / count;
}
