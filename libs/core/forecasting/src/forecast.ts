import type { InstantMs, DurationMs } from '@godwit/kernel';
import type { ModelShare } from './combination.js';

/** Quantiles of one resource's demand at each step of a horizon. */
export interface Forecast {
  /** What is forecast, by its metric's name or that of a demand, such as `cpu.demand_cores`. */
  readonly resource: string;
  readonly unit: string;
  readonly issuedAtMs: InstantMs;
  /** Row k (from 0) stands for the interval that ends at issuedAtMs + (k + 1) × stepMs. */
  readonly stepMs: DurationMs;
  /** In (0, 1), rising. */
  readonly levels: readonly number[];
  /** Steps × levels quantiles, row by row; within a row they never fall. */
  readonly values: Float64Array;
  /** The models that made it, the heaviest first. */
  readonly models: readonly ModelShare[];
  /** Recent mean pinball loss of forecasts of this series, in its unit; null before the first was settled. */
  readonly pinballLoss: number | null;
  /** Whether the series changed its nature within the last 60 learnt steps: what was learnt before counts less. */
  readonly drift: boolean;
  /** Time over which the correlation between steps of this forecast falls by e, as this series' own errors told; absent while unknown. */
  readonly correlationMs?: DurationMs;
}

export const stepsOf = (forecast: Forecast): number => forecast.values.length / forecast.levels.length;
