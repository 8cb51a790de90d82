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
import { ExternalPath, type ExternalForecast } from './external-path.js';
import type { Forecast } from './forecast.js';
import type { KindMemory, KindRecord } from './kind-memory.js';
import { LEVELS, MAX_ABS_VALUE } from './levels.js';
import type { ModelDefinition } from './model.js';
import { MODELS } from './models.js';
import type { PooledQuantiles } from './pooled-quantiles.js';
import { ValueRing } from './value-ring.js';

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
  /** Standard deviation to assume of a one-step error before there are errors, in the unit; what the kind knows, or 0, by default. */
  readonly priorSpread?: number;
  /** Where the series of a kind meet, and the kind of this one (a device kind, a thread type); none by default. */
  readonly memory?: KindMemory;
  readonly kindName?: string;
  /** Weights that all series of a forecaster share; the shipped ones, learnt on alone, by default. */
  readonly pooled?: PooledQuantiles;
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
/** Standard deviation over mean absolute size, of a normal distribution. */
const MEAN_MOVE_TO_DEVIATION = 1.2533;
/** Steps of history that are kept. */
const HISTORY_STEPS = 256;
/** A path may begin so many steps after the newest closed step: the worker's clock and this series' samples are not one. */
const MOST_STEPS_EARLY = 3;
/** A forecast has at most so many steps. */
const MAX_FORECAST_STEPS = 4_096;

export class Series {
  /** Samples that were not taken, by reason. */
  readonly refused = { invalid: 0, repeated: 0, late: 0, counterReset: 0 };
  private readonly stepMs: number;
  private readonly levels: readonly number[];
  private readonly guest: ExternalPath;
  private readonly kept = new ValueRing(HISTORY_STEPS);
  private readonly kind: KindRecord | undefined;
  /** Made at the first value, since the kind's spread is relative to it. */
  private combined: Combination | undefined;
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
    this.guest = new ExternalPath(this.levels.length);
    assert(options.memory === undefined || options.memory.maxHorizonSteps === this.maxHorizonSteps, 'a series has the horizon of its kind\'s memory');
    this.kind = options.memory && options.kindName !== undefined ? options.memory.of(options.kindName) : undefined;
  }

  private get maxHorizonSteps(): number {
    return this.options.maxHorizonSteps ?? 64;
  }

  private begin(firstValue: number): Combination {
    const borrowed = (this.kind?.relativeSpread ?? 0) * Math.abs(firstValue) * MEAN_MOVE_TO_DEVIATION;
    return new Combination(this.options.models ?? MODELS, {
      levels: this.levels, maxHorizonSteps: this.maxHorizonSteps, priorSpread: this.options.priorSpread ?? borrowed,
      shared: this.options.pooled ? { pooled: this.options.pooled } : {},
    }, { guests: [this.guest], ...(this.kind ? { kind: this.kind } : {}) });
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
    const { combined } = this;
    if (combined === undefined) return undefined;
    const values = new Float64Array(steps * this.levels.length);
    combined.forecast(this.leads, values);
    const floor = this.options.floor;
    if (floor !== undefined) for (let i = 0; i < values.length; i++) if (values[i]! < floor) values[i] = floor;
    const horizonSteps = this.leads[steps - 1]!;
    return {
      resource: this.options.resource, unit: this.options.unit, issuedAtMs: nowMs, stepMs, levels: this.levels, values,
      models: combined.shares(horizonSteps), pinballLoss: combined.recentLoss(horizonSteps), drift: combined.drifting,
      ...this.correlation(combined),
    };
  }

  /**
   * Takes the newest path of a model that runs elsewhere; it answers at the shifted lead until the next comes, has no weight once
   * it lies in the past, and earns weight by its losses like any other model. Answers whether it was taken: not before the first
   * value, not with numbers that are not finite, not when nothing of it lies ahead, nor when it is from the future.
   */
  acceptExternal(forecast: ExternalForecast): boolean {
    const { issuedAtMs, stepMs, values } = forecast;
    if (this.combined === undefined || !(stepMs > 0) || !Number.isFinite(issuedAtMs) || values.length < this.levels.length) return false;
    if (values.length % this.levels.length !== 0) return false;
    for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]!) <= MAX_ABS_VALUE)) return false;
    const rowsPerStep = this.stepMs / stepMs;
    const firstLead = Math.floor((issuedAtMs + Math.min(stepMs, this.stepMs) / 2) / this.stepMs) - this.openStep + 1;
    const steps = values.length / this.levels.length / rowsPerStep;
    if (firstLead > MOST_STEPS_EARLY || firstLead + steps < 1) return false;
    this.guest.accept(forecast, firstLead, rowsPerStep);
    this.combined.guestChanged();
    return true;
  }

  /**
   * Copies the newest closed steps, at most 256 and as many as `into` holds, oldest first, NaN where a step had no sample; answers
   * how many. The last one ends at `historyEndMs`, which is the time of issue of a forecast made from them.
   */
  history(into: Float64Array): number {
    return this.kept.copyNewest(into);
  }

  /** End of the newest closed step, NaN before the first. */
  get historyEndMs(): InstantMs {
    return this.openStep * this.stepMs;
  }

  private correlation(combined: Combination): { readonly correlationMs?: DurationMs } {
    const rank = combined.rankCorrelation;
    if (rank === null) return {};
    return { correlationMs: rank <= 0.001 ? 0 : -this.stepMs / Math.log(rank) };
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
    if (step > this.openStep) {
      this.combined?.skip(step - this.openStep);
      this.kept.skip(step - this.openStep);
    }
    this.openStep = step;
  }

  /** Gives the open step to the models and opens the next. */
  private close(): void {
    if (this.count === 0) return;
    const value = this.sum / this.count;
    this.combined ??= this.begin(value);
    this.combined.update(value);
    this.kept.push(value);
    this.closedSteps++;
    this.sum = 0;
    this.count = 0;
    this.openStep++;
  }
}
