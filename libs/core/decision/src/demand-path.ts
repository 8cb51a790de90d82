/**
 * Demand over the horizon. The controller fills paths from forecasts; here each is laid on the plan's own grid, so that
 * paths of different age and step can be added. Past a path's end its last value is held.
 */
import type { DurationMs, InstantMs } from '@godwit/kernel';

/** Forecast CPU demand of a thread, or of a device beside its threads, in cores. Row k stands for the interval that ends at issuedAtMs + (k + 1) × stepMs. */
export interface DemandPath {
  readonly issuedAtMs: InstantMs;
  /** > 0. */
  readonly stepMs: DurationMs;
  readonly p10: readonly number[];
  readonly p50: readonly number[];
  readonly p90: readonly number[];
}

/** The grid of a plan: step k stands for [startMs + k × stepMs, startMs + (k + 1) × stepMs). */
export interface Grid {
  readonly startMs: InstantMs;
  readonly stepMs: DurationMs;
  readonly steps: number;
}

/** Demand on the grid: median, and the deviation of its upper side, (p90 - p50) / 1.2816, which is what overload depends on. */
export interface Demand {
  readonly median: Float64Array;
  readonly deviation: Float64Array;
}

/** Deviations between the median and the 90 % quantile of a normal. */
export const P90_DEVIATIONS = 1.2815515655446004;

export const gridOf = (nowMs: InstantMs, horizonMs: DurationMs, stepMs: DurationMs): Grid =>
  ({ startMs: nowMs, stepMs, steps: Math.max(1, Math.ceil(horizonMs / stepMs)) });

/** Mean of the rows that the interval touches; the nearest row where it lies outside. */
function meanOver(row: readonly number[], firstRow: number, lastRow: number): number {
  const last = row.length - 1;
  const from = Math.min(last, Math.max(0, firstRow));
  const to = Math.min(last, Math.max(from, lastRow));
  let sum = 0;
  for (let i = from; i <= to; i++) sum += row[i]!;
  return sum / (to - from + 1);
}

export function onGrid(path: DemandPath, grid: Grid): Demand {
  const median = new Float64Array(grid.steps);
  const deviation = new Float64Array(grid.steps);
  if (path.p50.length === 0) return { median, deviation };
  for (let k = 0; k < grid.steps; k++) {
    const sinceMs = grid.startMs + k * grid.stepMs - path.issuedAtMs;
    const first = Math.floor(sinceMs / path.stepMs);
    const last = Math.ceil((sinceMs + grid.stepMs) / path.stepMs) - 1;
    median[k] = Math.max(0, meanOver(path.p50, first, last));
    deviation[k] = Math.max(0, meanOver(path.p90, first, last) - median[k]!) / P90_DEVIATIONS;
  }
  return { median, deviation };
}

/** The same demand at every step: what is left to assume when there is no fresh forecast. */
export const flatDemand = (cores: number, spreadRatio: number, grid: Grid): Demand => ({
  median: new Float64Array(grid.steps).fill(Math.max(0, cores)),
  deviation: new Float64Array(grid.steps).fill(Math.max(0, cores) * spreadRatio),
});

/** What a throttle lets through: its quantiles are cut at the cap. */
export function capped(demand: Demand, capCores: number): Demand {
  const median = demand.median.map((m) => Math.min(m, capCores));
  const deviation = demand.deviation.map((d, k) => (Math.min(demand.median[k]! + d * P90_DEVIATIONS, capCores) - median[k]!) / P90_DEVIATIONS);
  return { median, deviation };
}

/** Core-seconds of median demand from `fromStep` on. */
export function coreSeconds(demand: Demand, grid: Grid, fromStep = 0): number {
  let sum = 0;
  for (let k = fromStep; k < grid.steps; k++) sum += demand.median[k]!;
  return (sum * grid.stepMs) / 1_000;
}

export const peak = (values: Float64Array): number => values.reduce((most, v) => Math.max(most, v), 0);
