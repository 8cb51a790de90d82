/**
 * One series as the forecaster keeps it: samples as they come in, forecasts out. Owns the grid, not the models.
 *
 * 1. Samples of one step of the grid are averaged; a step counts when a later sample or a forecast closes it.
 * 2. A sample that is not finite, too large, repeated or late changes nothing but its count in `refused`.
 * 3. A clock that went back shows as a run of late samples in order: the grid then goes on from there. A gap, or a clock that
 *    went forward, is steps without samples.
 */
import { assert, type DurationMs, type InstantMs } from '@godwit/kernel';
import { Combination } from './combination.js';
import type { Forecast } from './forecast.js';
import { LEVELS, MAX_ABS_VALUE } from './levels.js';
import type { ModelDefinition } from './model.js';
import { MODELS } from './models.js';

export interface SeriesOptions {
  /** What is forecast, such as `cpu.demand_cores`. */
  readonly resource: string;
  readonly unit: string;
  /** Width of a step of the models' grid, milliseconds; 1000 by default. */
  readonly stepMs?: DurationMs;
  /** Steps ahead to which errors are tracked; 64 by default. */
  readonly maxHorizonSteps?: number;
  /** `counter` for a total that only grows: its rate per second is forecast, and a fall is a restart of the counter. */
  readonly kind?: 'gauge' | 'counter';
  /** No quantile is below it; demand has 0. None by default. */
  readonly floor?: number;
  /** Standard deviation to assume of a one-step error before there are errors, in the unit; 0 by default. */
  readonly priorSpread?: number;
  readonly levels?: readonly number[];
  readonly models?: readonly ModelDefinition[];
}

export interface Sample {
  readonly value: number;
  readonly atMs: InstantMs;
}

/** So many late samples in order, over so many steps, mean that the clock went back; less may be a batch that was held up. */
const LATE_RUN = 5;
const LATE_RUN_STEPS = 3;
/** A forecast has at most so many steps. */
const MAX_FORECAST_STEPS = 4_096;

export class Series {
  /** Samples that were not taken, by reason. */
  readonly refused = { invalid: 0, repeated: 0, late: 0, counterReset: 0 };
  private readonly stepMs: number;
  private readonly levels: readonly number[];
  private readonly combination: Combination;
  private leads = new Int32Array(0);
  /** Number of the open step since the epoch of the clock; NaN before the first sample. */
  private openStep = NaN;
  private sum = 0;
  private count = 0;
  private closedSteps = 0;
  private newestMs = -Infinity;
  private lateRun = 0;
  private lateFromMs = -Infinity;
  private lateMs = -Infinity;
  private lastCount: Sample | undefined;

  constructor(private readonly options: SeriesOptions) {
    this.stepMs = options.stepMs ?? 1_000;
    assert(this.stepMs > 0, 'the step of a series is longer than 0 ms');
    this.levels = options.levels ?? LEVELS;
    this.combination = new Combination(options.models ?? MODELS, {
      levels: this.levels,
      maxHorizonSteps: options.maxHorizonSteps ?? 64,
      priorSpread: options.priorSpread ?? 0,
    });
  }

  /** Steps with a value that the models have learnt from. */
  get learntSteps(): number {
    return this.closedSteps;
  }

  /** Takes one sample; answers whether it was taken. */
  observe(value: number, atMs: InstantMs): boolean {
    if (!Number.isFinite(value) || Math.abs(value) > MAX_ABS_VALUE || !Number.isFinite(atMs) || Math.abs(atMs) > MAX_ABS_VALUE) {
      this.refused.invalid++;
      return false;
    }
    if (atMs === this.newestMs) {
      this.refused.repeated++;
      return false;
    }
    if (Math.floor(atMs / this.stepMs) < this.openStep && !this.clockWentBack(atMs)) {
      this.refused.late++;
      return false;
    }
    this.lateRun = 0;
    this.newestMs = Math.max(this.newestMs, atMs);
    const taken = this.options.kind === 'counter' ? this.rate(value, atMs) : value;
    if (taken === undefined) return false;
    this.advanceTo(Math.floor(atMs / this.stepMs));
    this.sum += taken;
    this.count++;
    return true;
  }

  /** Rebuilds the state from a history, oldest first. */
  replay(samples: Iterable<Sample>): void {
    for (const { value, atMs } of samples) this.observe(value, atMs);
  }

  /**
   * The forecast for the steps that end at nowMs + stepMs, nowMs + 2 stepMs, … up to the horizon; undefined before the first
   * sample. It closes the steps that ended before `nowMs`; it can be asked for at any time and changes no later forecast
   * otherwise. Where steps are finer than the grid, neighbouring rows come from the same step of the grid.
   */
  forecast(nowMs: InstantMs, horizonMs: DurationMs, stepMs: DurationMs = this.stepMs): Forecast | undefined {
    if (Number.isNaN(this.openStep) || !(stepMs > 0) || !(horizonMs > 0) || !Number.isFinite(nowMs)) return undefined;
    const nowStep = Math.floor(nowMs / this.stepMs);
    if (nowStep > this.openStep && this.count > 0) this.close();
    if (this.closedSteps === 0) this.close();
    const steps = Math.min(MAX_FORECAST_STEPS, Math.max(1, Math.ceil(horizonMs / stepMs)));
    if (this.leads.length !== steps) this.leads = new Int32Array(steps);
    // The newest learnt step is the one before the open one; lead 1 is the open step.
    for (let k = 0; k < steps; k++) {
      const middleMs = nowMs + (k + 0.5) * stepMs;
      const lead = Math.floor(middleMs / this.stepMs) - this.openStep + 1;
      this.leads[k] = Math.min(MAX_FORECAST_STEPS, Math.max(1, lead));
    }
    const values = new Float64Array(steps * this.levels.length);
    this.combination.forecast(this.leads, values);
    const floor = this.options.floor;
    if (floor !== undefined) for (let i = 0; i < values.length; i++) if (values[i]! < floor) values[i] = floor;
    const horizonSteps = this.leads[steps - 1]!;
    return {
      resource: this.options.resource, unit: this.options.unit, issuedAtMs: nowMs, stepMs, levels: this.levels, values,
      models: this.combination.shares(horizonSteps), pinballLoss: this.combination.recentLoss(horizonSteps),
    };
  }

  private clockWentBack(atMs: InstantMs): boolean {
    this.lateRun = atMs > this.lateMs && this.lateRun > 0 ? this.lateRun + 1 : 1;
    if (this.lateRun === 1) this.lateFromMs = atMs;
    this.lateMs = atMs;
    if (this.lateRun < LATE_RUN || atMs - this.lateFromMs < LATE_RUN_STEPS * this.stepMs) return false;
    if (this.count > 0) this.close();
    this.openStep = Math.floor(atMs / this.stepMs);
    this.newestMs = -Infinity;
    this.lastCount = undefined;
    return true;
  }

  private rate(value: number, atMs: InstantMs): number | undefined {
    const before = this.lastCount;
    if (before !== undefined && atMs < before.atMs) {
      this.refused.late++;
      return undefined;
    }
    this.lastCount = { value, atMs };
    if (before === undefined) return undefined;
    if (value < before.value) {
      this.refused.counterReset++;
      return undefined;
    }
    const perSecond = ((value - before.value) * 1_000) / (atMs - before.atMs);
    return Math.abs(perSecond) <= MAX_ABS_VALUE ? perSecond : undefined;
  }

  private advanceTo(step: number): void {
    if (Number.isNaN(this.openStep)) this.openStep = step;
    if (step <= this.openStep) return;
    if (this.count > 0) this.close();
    if (step > this.openStep) this.combination.skip(step - this.openStep);
    this.openStep = step;
  }

  /** Gives the open step to the models and opens the next. */
  private close(): void {
    if (this.count === 0) return;
    this.combination.update(this.sum / this.count);
    this.closedSteps++;
    this.sum = 0;
    this.count = 0;
    this.openStep++;
  }
}
