/**
 * Risk: what a forecast says about passing a capacity.
 *
 * A forecast gives the distribution of each step, not how the steps hang together, and that matters: with a 5 % chance at each
 * of 60 steps, the chance of at least one is 5 % if the steps move as one, and 95 % if they are independent. Assumption here:
 * the steps' ranks follow a stationary Gaussian Markov chain (an AR(1) copula) whose correlation falls by e over
 * `correlationMs`. First passage is then computed, not sampled, by carrying the density of the chain over a grid.
 * Rejected: the worst step alone (too low), independence (far too high), Monte Carlo (needs chance, and 100 × the time).
 */
import type { DurationMs } from '@godwit/kernel';
import { expectedExcess, probabilityAbove } from './distribution.js';
import { stepsOf, type Forecast } from './forecast.js';
import { normalCdf, normalQuantile } from './levels.js';

/** Errors of a forecast of demand hold on for about this long. */
export const DEFAULT_CORRELATION_MS: DurationMs = 30_000;

const CELLS = 65;
const REACH = 4;
const CELL_WIDTH = (2 * REACH) / CELLS;
/** Finer steps than this move less than a cell, which the grid cannot show: it would count them as if they moved a little more. */
const MOST_CORRELATION = 0.998;
const NEGLIGIBLE = 1e-8;

export interface RiskOptions {
  /** Time over which the correlation between steps falls by e; ≥ 0, 0 for independent steps. What the forecast says, or 30 s, by default. */
  readonly correlationMs?: DurationMs;
}

export interface Risk {
  /** Probability that demand is above capacity at one or more steps of the horizon, 0..1. */
  readonly probability: number;
  /** Time from issue to the end of the first step above capacity, at these probabilities; null where the horizon ends before. */
  readonly timeToOverloadMs: { readonly p10: DurationMs | null; readonly p50: DurationMs | null; readonly p90: DurationMs | null };
  /** Expected demand above capacity, summed over the horizon, in unit × seconds (core-seconds for cores). */
  readonly expectedOverload: number;
}

/** @param capacity in the unit of the forecast; one number, or one for each step where it changes (maintenance, a quota). */
export function assessRisk(forecast: Forecast, capacity: number | Float64Array, options: RiskOptions = {}): Risk {
  const steps = stepsOf(forecast);
  const { levels, values, stepMs } = forecast;
  const above = new Float64Array(steps);
  let expectedOverload = 0;
  for (let k = 0; k < steps; k++) {
    const limit = typeof capacity === 'number' ? capacity : capacity[k] ?? Infinity;
    const row = { levels, values, at: k * levels.length };
    above[k] = probabilityAbove(row, limit);
    expectedOverload += (expectedExcess(row, limit) * stepMs) / 1_000;
  }
  const correlationMs = options.correlationMs ?? rounded(forecast.correlationMs) ?? DEFAULT_CORRELATION_MS;
  const passed = firstPassage(above, correlationMs > 0 ? Math.exp(-stepMs / correlationMs) : 0);
  const timeAt = (probability: number): DurationMs | null => {
    const step = passed.findIndex((share) => share >= probability);
    return step < 0 ? null : (step + 1) * stepMs;
  };
  return {
    probability: steps === 0 ? 0 : passed[steps - 1]!,
    timeToOverloadMs: { p10: timeAt(0.1), p50: timeAt(0.5), p90: timeAt(0.9) },
    expectedOverload,
  };
}

/** To the nearest quarter of an octave: what was learnt is not finer, and few distinct correlations make few matrices to keep. */
function rounded(correlationMs: DurationMs | undefined): DurationMs | undefined {
  return correlationMs === undefined || !(correlationMs > 0) ? correlationMs : 2 ** (Math.round(4 * Math.log2(correlationMs)) / 4);
}

/**
 * Probability that the first passage is at or before each step.
 * @param above probability to be above at each step, 0..1. @param correlation between neighbouring steps, 0..1.
 */
export function firstPassage(above: Float64Array, correlation: number): Float64Array {
  const passed = new Float64Array(above.length);
  if (above.length === 0 || !above.some((share) => share > 0)) return passed;
  if (!(correlation > 0)) {
    let spared = 1;
    for (let k = 0; k < above.length; k++) passed[k] = 1 - (spared *= 1 - above[k]!);
    return passed;
  }
  const move = transitions(Math.min(MOST_CORRELATION, correlation));
  let density: Float64Array = stationary();
  let next: Float64Array = new Float64Array(CELLS);
  for (let k = 0; k < above.length; k++) {
    if (k > 0) {
      advance(density, move, next);
      [density, next] = [next, density];
    }
    const alive = cut(density, above[k]!);
    // At least the worst step's own probability, at most certainty: the grid rounds, the bounds do not.
    passed[k] = Math.min(1, Math.max(k > 0 ? passed[k - 1]! : 0, above[k]!, 1 - alive));
  }
  return passed;
}

/** Removes the share of the chain that is above the step's threshold; answers what is left. */
function cut(density: Float64Array, above: number): number {
  const threshold = (normalQuantile(1 - above) + REACH) / CELL_WIDTH;
  let left = 0;
  for (let i = 0; i < CELLS; i++) {
    const kept = Math.min(1, Math.max(0, threshold - i));
    if (kept < 1) density[i] = density[i]! * kept;
    left += density[i]!;
  }
  return left;
}

function advance(density: Float64Array, { mass, from, to }: Transitions, into: Float64Array): void {
  into.fill(0);
  for (let i = 0; i < CELLS; i++) {
    const share = density[i]!;
    if (share < NEGLIGIBLE) continue;
    for (let j = from[i]!; j < to[i]!; j++) into[j] = into[j]! + share * mass[i * CELLS + j]!;
  }
}

/** Mass of the cell between two edges of a normal with this centre and deviation; the outermost cells take the tails. */
function cellMass(j: number, centre: number, deviation: number): number {
  const low = j === 0 ? 0 : normalCdf((-REACH + j * CELL_WIDTH - centre) / deviation);
  const high = j === CELLS - 1 ? 1 : normalCdf((-REACH + (j + 1) * CELL_WIDTH - centre) / deviation);
  return Math.max(0, high - low);
}

const stationary = (): Float64Array => Float64Array.from({ length: CELLS }, (_, j) => cellMass(j, 0, 1));

/** One step of the chain: the mass that goes from cell i to cell j, and the band of cells that get any worth naming. */
interface Transitions {
  readonly mass: Float64Array;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The matrices of the few step lengths in use; a pure function's memory, bounded. */
const transitionCache = new Map<number, Transitions>();
const CACHED_CORRELATIONS = 48;

function transitions(correlation: number): Transitions {
  const known = transitionCache.get(correlation);
  if (known !== undefined) return known;
  const deviation = Math.sqrt(1 - correlation * correlation);
  const move: Transitions = { mass: new Float64Array(CELLS * CELLS), from: new Uint8Array(CELLS), to: new Uint8Array(CELLS) };
  for (let i = 0; i < CELLS; i++) {
    const centre = correlation * (-REACH + (i + 0.5) * CELL_WIDTH);
    for (let j = 0; j < CELLS; j++) move.mass[i * CELLS + j] = cellMass(j, centre, deviation);
    const row = move.mass.subarray(i * CELLS, (i + 1) * CELLS);
    move.from[i] = row.findIndex((mass) => mass > NEGLIGIBLE);
    move.to[i] = row.findLastIndex((mass) => mass > NEGLIGIBLE) + 1;
  }
  if (transitionCache.size >= CACHED_CORRELATIONS) transitionCache.clear();
  transitionCache.set(correlation, move);
  return move;
}
