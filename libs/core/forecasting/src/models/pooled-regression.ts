import { LeadGrid } from '../lead-grid.js';
import { nearestToMedian } from '../levels.js';
import type { ModelDefinition, ModelOptions, PointModel } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { FEATURES, PooledQuantiles } from '../pooled-quantiles.js';
import { SeriesFeatures } from '../series-features.js';

/** Steps before which the features say too little. */
const LEAST_STEPS = 8;

/**
 * Pooled quantile regression as a model of one series: its point is the pooled median, its intervals those of the pool until its
 * own errors tell better. What it learns goes to the pool.
 */
export const pooledRegression: ModelDefinition = {
  name: 'pooled-regression',
  create: (options) => createFromPoints('pooled-regression', options, new PooledRegression(options)),
};

class PooledRegression implements PointModel {
  private readonly pool: PooledQuantiles;
  private readonly features: SeriesFeatures;
  /** Of each of the last steps, the features, value and spread; NaN for a step that nothing was issued at. */
  private readonly issued: Float32Array;
  private readonly from: Float64Array;
  private readonly spread: Float64Array;
  private readonly capacity: number;
  private readonly grid: LeadGrid;
  private readonly median: number;
  private stepsSeen = 0;

  constructor(private readonly options: ModelOptions) {
    const given = options.shared?.pooled;
    const fits = given !== undefined && given.levels.length === options.levels.length;
    this.pool = fits ? given : new PooledQuantiles(options.levels, options.maxHorizonSteps);
    this.features = new SeriesFeatures();
    this.grid = new LeadGrid(options.maxHorizonSteps);
    this.capacity = this.pool.grid.longest;
    this.median = nearestToMedian(options.levels);
    this.issued = new Float32Array(this.capacity * FEATURES);
    this.from = new Float64Array(this.capacity).fill(NaN);
    this.spread = new Float64Array(this.capacity);
  }

  ready(): boolean {
    return this.features.learnt >= LEAST_STEPS && this.pool.taught;
  }

  learn(value: number): void {
    this.settle(value);
    this.features.update(value);
    const slot = this.stepsSeen % this.capacity;
    const scale = this.features.spread;
    this.from[slot] = scale > 0 && this.features.learnt >= LEAST_STEPS ? value : NaN;
    this.spread[slot] = scale;
    this.features.write(this.issued, slot * FEATURES);
    this.stepsSeen++;
  }

  private settle(value: number): void {
    const { leads } = this.pool.grid;
    for (let i = 0; i < leads.length; i++) {
      const lead = leads[i]!;
      if (lead > this.stepsSeen) return;
      const slot = (this.stepsSeen - lead) % this.capacity;
      const from = this.from[slot]!;
      if (Number.isNaN(from)) continue;
      this.pool.learn(i, this.issued, slot * FEATURES, (value - from) / (this.spread[slot]! * Math.sqrt(lead)));
    }
  }

  miss(): void {
    this.from[this.stepsSeen % this.capacity] = NaN;
    this.features.write(this.issued, (this.stepsSeen % this.capacity) * FEATURES);
    this.stepsSeen++;
    this.features.skip(1);
  }

  path(into: Float64Array, steps: number): void {
    const { last } = this.features;
    const { grid } = this.pool;
    if (!this.ready()) {
      into.fill(last, 0, steps);
      return;
    }
    let below = -1;
    let [low, high] = [0, 0];
    for (let h = 1; h <= steps; h++) {
      const at = grid.below(h);
      if (at !== below) {
        below = at;
        low = this.changeAt(at, this.median);
        high = at < grid.top ? this.changeAt(at + 1, this.median) : low;
      }
      const share = grid.share(h);
      into[h - 1] = last + low * (1 - share) + high * share;
    }
  }

  /** Pooled quantile of the change at a tracked lead, in the unit of the series. */
  private changeAt(i: number, j: number): number {
    const at = ((this.stepsSeen + this.capacity - 1) % this.capacity) * FEATURES;
    return this.features.spread * Math.sqrt(this.pool.grid.leads[i]!) * this.pool.predict(i, j, this.issued, at);
  }

  offsets(into: Float64Array): boolean {
    if (!this.ready()) return false;
    const width = this.options.levels.length;
    for (let i = 0; i < this.grid.leads.length; i++) {
      const lead = Math.min(i, this.pool.grid.top);
      const row = i * width;
      const median = this.changeAt(lead, this.median);
      for (let j = 0; j < width; j++) into[row + j] = this.changeAt(lead, j) - median;
      // One linear function a level: far from what it has seen they may cross.
      for (let j = this.median + 1; j < width; j++) if (into[row + j]! < into[row + j - 1]!) into[row + j] = into[row + j - 1]!;
      for (let j = this.median - 1; j >= 0; j--) if (into[row + j]! > into[row + j + 1]!) into[row + j] = into[row + j + 1]!;
    }
    return true;
  }
}
