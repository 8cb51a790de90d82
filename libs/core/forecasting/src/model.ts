import type { PooledQuantiles } from './pooled-quantiles.js';
import type { SeasonDetector } from './season-detector.js';

/**
 * The model port. A model follows one series on a regular grid of steps and forecasts its distribution some steps ahead.
 *
 * 1. Memory is fixed; `update` never allocates, `forecast` only when asked for more or longer leads than ever before.
 * 2. Quantiles never cross and are finite for finite input.
 * 3. The same calls give the same answers: no clock, no chance.
 * A new model is one file in `models/` and one line in `MODELS`; the contract suite runs over that array. A model that is
 * trained elsewhere (a neural one) implements the same port and holds its newest weights; its price is its own affair.
 */
export interface ModelOptions {
  /** Quantile levels in (0, 1), rising. */
  readonly levels: readonly number[];
  /** Largest number of steps ahead for which errors are tracked; beyond it their growth is extrapolated. At least 1. */
  readonly maxHorizonSteps: number;
  /** Standard deviation of a one-step error to assume while there are too few errors, in the unit of the series; 0 for none. */
  readonly priorSpread: number;
  /** What the models of one series share; a model that stands alone keeps its own. */
  readonly shared?: SharedParts;
}

/** Parts that one series' models use together. Whoever gives them also keeps them up to date, before the models are. */
export interface SharedParts {
  readonly season?: SeasonDetector;
  /** One set of weights for all series of a forecaster. */
  readonly pooled?: PooledQuantiles;
}

export interface Model {
  readonly name: string;
  /** Whether it has anything to say; a model that is not ready has no weight. Absent: always. It answers all the same. */
  ready?(): boolean;
  /** One step of the grid with its value; |value| ≤ MAX_ABS_VALUE. */
  update(value: number): void;
  /** The grid moved on by `steps` ≥ 1 without a sample. */
  skip(steps: number): void;
  /**
   * Writes leads × levels quantiles, row by row, into `into`; before the first update they are all 0.
   * @param leads steps ahead, each ≥ 1, in rising order (repeats allowed).
   */
  forecast(leads: Int32Array, into: Float64Array): void;
}

export interface ModelDefinition {
  readonly name: string;
  create(options: ModelOptions): Model;
}

/** A model's point part. `createFromPoints` gives it quantiles from its own past errors. */
export interface PointModel {
  learn(value: number): void;
  /** One step without a sample. */
  miss(): void;
  /** Writes the forecasts for 1, 2, … `steps` steps ahead into `into`; finite after the first `learn`. */
  path(into: Float64Array, steps: number): void;
  ready?(): boolean;
  /**
   * Writes the error quantiles that it expects, tracked lead × level, relative to the point, until its own errors tell better;
   * answers whether it expects any.
   */
  offsets?(into: Float64Array): boolean;
}
