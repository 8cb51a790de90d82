/**
 * Quantile regression with one set of weights for all series: what many series teach, a short one borrows.
 *
 * Owns the weights, not the features. A target and its features are relative to the newest value and to a local spread, so that
 * neither unit nor origin matters; per tracked lead and level, the scaled change is a linear function of the features. Learnt by
 * normalised gradient steps on the pinball loss (Koenker and Bassett 1978; the step of Widrow and Hoff's rule), so that the size
 * of a feature does not matter. `predict` and `learn` allocate nothing.
 */
import { DEFAULT_POOLED } from './pooled-default.js';
import { LeadGrid } from './lead-grid.js';
import { LEVELS } from './levels.js';

/** Numbers that describe where a series stands; the last is 1. */
export const FEATURES = 16;

const DEFAULT_RATE = 0.001;
const TAUGHT_OBSERVATIONS = 5_000;

export class PooledQuantiles {
  readonly grid: LeadGrid;
  /** Per tracked lead × level × feature. */
  readonly weights: Float64Array;
  /** Size of a gradient step. */
  rate: number;
  private steps = 0;
  private shipped = false;

  constructor(readonly levels: readonly number[] = LEVELS, maxHorizonSteps = 64, options: { readonly rate?: number; readonly untaught?: boolean } = {}) {
    this.rate = options.rate ?? DEFAULT_RATE;
    this.grid = new LeadGrid(maxHorizonSteps);
    this.weights = new Float64Array(this.grid.leads.length * levels.length * FEATURES);
    if (!options.untaught) this.begin();
  }

  /** Observations that were learnt from. */
  get learnt(): number {
    return this.steps;
  }

  /** Whether there is anything in it: shipped weights, or enough observations. */
  get taught(): boolean {
    return this.shipped || this.steps >= TAUGHT_OBSERVATIONS;
  }

  /** The shipped weights where the levels are the usual ones; the longest shipped lead stands for longer ones. */
  private begin(): void {
    const row = this.levels.length * FEATURES;
    if (this.levels.length !== LEVELS.length || DEFAULT_POOLED.length === 0) return;
    this.shipped = true;
    for (let i = 0; i < this.grid.leads.length; i++) {
      const from = Math.min(i, DEFAULT_POOLED.length / row - 1) * row;
      for (let k = 0; k < row; k++) this.weights[i * row + k] = DEFAULT_POOLED[from + k]!;
    }
  }

  /** Scaled change at level `j` of tracked lead `i`. */
  predict(i: number, j: number, features: Float64Array | Float32Array, at: number): number {
    let sum = 0;
    const from = (i * this.levels.length + j) * FEATURES;
    for (let f = 0; f < FEATURES; f++) sum += this.weights[from + f]! * features[at + f]!;
    return sum;
  }

  /** One observation of the scaled change `change` at tracked lead `i`, of a series that stood at `features` then. */
  learn(i: number, features: Float32Array, at: number, change: number): void {
    let size = 1e-3;
    for (let f = 0; f < FEATURES; f++) size += features[at + f]! ** 2;
    const step = this.rate / (size / FEATURES);
    for (let j = 0; j < this.levels.length; j++) {
      const miss = change - this.predict(i, j, features, at);
      if (miss === 0) continue;
      const push = step * (miss > 0 ? this.levels[j]! : this.levels[j]! - 1);
      const from = (i * this.levels.length + j) * FEATURES;
      for (let f = 0; f < FEATURES; f++) this.weights[from + f] = this.weights[from + f]! + push * features[at + f]!;
    }
    this.steps++;
  }
}
