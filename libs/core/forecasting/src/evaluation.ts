/**
 * How well models forecast: one walk over a series scores any number of them side by side, at the same origins.
 *
 * 1. A model sees a value only after its forecasts of it were taken. Missing steps (NaN) are skipped and not scored.
 * 2. Errors are scaled by the mean |y(t) − y(t−1)| of the whole walk, so that series of different units can be averaged (MASE:
 *    Hyndman and Koehler 2006). A series that never moves has no scale, and no scaled scores.
 * 3. Coverage is told twice: closed (a value on an end of the interval is inside), and fair, where a value that equals quantiles
 *    is shared among the levels that they stand for, as in the randomised PIT. On series of whole percents only the fair one can
 *    come out at the nominal share.
 */
import { probabilityAbove } from './distribution.js';
import { eventScoresOf, recallAt, shareAbove, type EventScores, type OverloadRule } from './event-recall.js';
import { LEVELS, nearestToMedian } from './levels.js';
import type { Model } from './model.js';
import { shareWithin } from './interval-coverage.js';

export interface EvaluationOptions {
  /** Steps ahead that are scored, rising; 1, 2, 5, 10, 20, 40 and 60 by default. */
  readonly leads?: Int32Array;
  readonly levels?: readonly number[];
  /** Steps that the models follow before the first score; 0 by default. */
  readonly warmUpSteps?: number;
  /** Scores every so many steps; 1 by default. */
  readonly everySteps?: number;
  /** Overload events to foresee; none by default. */
  readonly overload?: OverloadRule;
  /** A clock in microseconds, for the cost of each model; without it costs are null. */
  readonly clockUs?: () => number;
  /** Sees each scored forecast: leads × levels quantiles that are valid during the call. */
  readonly onForecast?: (step: number, model: string, values: Float64Array) => void;
}

export interface ModelScore {
  readonly model: string;
  /** Mean absolute error of the median over the mean naive one-step error; null where the series never moves. */
  readonly mase: number | null;
  /** Mean pinball loss × 2 over levels and leads, over the same scale. (Twice the loss at the median is the absolute error.) */
  readonly scaledPinball: number | null;
  /** The same two in the unit of the series. */
  readonly absoluteError: number;
  readonly pinballLoss: number;
  /** Per level, mean pinball loss × 2 in the unit of the series. */
  readonly pinballByLevel: readonly number[];
  /** Shares inside the central 50, 80 and 95 % intervals, 0..1; NaN where the levels have no such interval. */
  readonly coverage: Coverage;
  readonly fairCoverage: Coverage;
  /** Forecasts of single steps that were scored. */
  readonly settled: number;
  readonly events: EventScores | null;
  /** Mean microseconds of an update and of the scored forecast, null without a clock. */
  readonly updateUs: number | null;
  readonly forecastUs: number | null;
}

export interface Coverage { readonly p50: number; readonly p80: number; readonly p95: number }

export interface Evaluation {
  readonly scores: readonly ModelScore[];
  /** Mean |y(t) − y(t−1)|. */
  readonly naiveError: number;
  /** "The current value is above the threshold", the rule to beat; null without overload events asked for. */
  readonly reactive: { readonly events: EventScores; readonly recall: number | null; readonly falseAlarmRatio: number } | null;
}

const DEFAULT_LEADS = Int32Array.of(1, 2, 5, 10, 20, 40, 60);

/** Lets each model follow `values` (NaN where missing) and scores its forecasts. Models are fresh; names are those they bear. */
export function evaluateModels(models: readonly Model[], values: ArrayLike<number>, options: EvaluationOptions = {}): Evaluation {
  const leads = options.leads ?? DEFAULT_LEADS;
  const levels = options.levels ?? LEVELS;
  const naiveError = meanMove(values);
  const tallies = models.map((model) => new Tally(model, levels, leads, values, options));
  for (let t = 0; t < values.length; t++) {
    const scored = t >= (options.warmUpSteps ?? 0) && (t - (options.warmUpSteps ?? 0)) % (options.everySteps ?? 1) === 0;
    for (const tally of tallies) tally.step(t, scored);
  }
  return { scores: tallies.map((tally) => tally.score(naiveError)), naiveError, reactive: reactiveScore(values, options) };
}

/** Recall of a model at the false-alarm rate of the current-value rule, over the joined events of many series; null without events. */
export function recallBesideReactive(own: readonly EventScores[], reactive: readonly EventScores[]): { readonly own: number | null; readonly reactive: number | null; readonly falseAlarmRatio: number } {
  const rule = joined(reactive);
  const falseAlarmRatio = shareAbove(rule.calm, 0.5);
  return { own: recallAt(joined(own), falseAlarmRatio), reactive: rule.events.length === 0 ? null : shareAbove(rule.events, 0.5), falseAlarmRatio };
}

const joined = (parts: readonly EventScores[]): EventScores => ({ events: parts.flatMap(({ events }) => events), calm: parts.flatMap(({ calm }) => calm) });

/** What one model's forecasts add up to. */
class Tally {
  private readonly into: Float64Array;
  private readonly lossByLevel: Float64Array;
  private readonly inside = [0, 0, 0];
  private readonly fairlyInside = [0, 0, 0];
  private readonly intervals: readonly (readonly [number, number] | undefined)[];
  private readonly alarmAt: Float64Array | undefined;
  private readonly median: number;
  private absolute = 0;
  private settled = 0;
  private readonly cost = { updateUs: 0, updates: 0, forecastUs: 0, forecasts: 0 };

  constructor(
    private readonly model: Model, private readonly levels: readonly number[], private readonly leads: Int32Array,
    private readonly values: ArrayLike<number>, private readonly options: EvaluationOptions,
  ) {
    this.into = new Float64Array(leads.length * levels.length);
    this.lossByLevel = new Float64Array(levels.length);
    this.median = nearestToMedian(levels);
    this.intervals = [0.5, 0.8, 0.95].map((share) => intervalOf(levels, share));
    if (options.overload) this.alarmAt = new Float64Array(values.length).fill(NaN);
  }

  step(t: number, scored: boolean): void {
    const clock = this.options.clockUs;
    const startUs = clock?.() ?? 0;
    const value = this.values[t]!;
    if (Number.isNaN(value)) this.model.skip(1);
    else this.model.update(value);
    if (clock) this.cost.updateUs += clock() - startUs;
    this.cost.updates++;
    if (!scored) return;
    const askedUs = clock?.() ?? 0;
    this.model.forecast(this.leads, this.into);
    if (clock) this.cost.forecastUs += clock() - askedUs;
    this.cost.forecasts++;
    this.options.onForecast?.(t, this.model.name, this.into);
    for (let k = 0; k < this.leads.length; k++) this.settle(this.values[t + this.leads[k]!], k * this.levels.length);
    if (this.alarmAt) this.alarmAt[t] = this.alarm(this.options.overload!);
  }

  private settle(actual: number | undefined, at: number): void {
    if (actual === undefined || Number.isNaN(actual)) return;
    const { levels, into } = this;
    for (let j = 0; j < levels.length; j++) {
      const miss = actual - into[at + j]!;
      this.lossByLevel[j] = this.lossByLevel[j]! + 2 * (miss >= 0 ? levels[j]! * miss : (levels[j]! - 1) * miss);
    }
    this.absolute += Math.abs(actual - into[at + this.median]!);
    for (const [i, interval] of this.intervals.entries()) {
      if (interval === undefined) continue;
      if (actual >= into[at + interval[0]]! && actual <= into[at + interval[1]]!) this.inside[i] = this.inside[i]! + 1;
      this.fairlyInside[i] = this.fairlyInside[i]! + shareWithin({ levels, values: into, at }, actual, interval);
    }
    this.settled++;
  }

  private alarm({ threshold, leastLeadSteps, mostLeadSteps }: OverloadRule): number {
    let worst = 0;
    for (let k = 0; k < this.leads.length; k++) {
      const lead = this.leads[k]!;
      if (lead < leastLeadSteps || lead > mostLeadSteps) continue;
      worst = Math.max(worst, probabilityAbove({ levels: this.levels, values: this.into, at: k * this.levels.length }, threshold));
    }
    return worst;
  }

  score(naiveError: number): ModelScore {
    const { settled, levels, cost } = this;
    const pinballByLevel = Array.from(this.lossByLevel, (loss) => loss / settled);
    const pinballLoss = pinballByLevel.reduce((sum, loss) => sum + loss, 0) / levels.length;
    const absoluteError = this.absolute / settled;
    const scaled = (error: number): number | null => (naiveError > 0 && settled > 0 ? error / naiveError : null);
    const coverageOf = (counts: readonly number[]): Coverage => {
      const share = (i: number): number => (this.intervals[i] === undefined ? NaN : counts[i]! / settled);
      return { p50: share(0), p80: share(1), p95: share(2) };
    };
    return {
      model: this.model.name, mase: scaled(absoluteError), scaledPinball: scaled(pinballLoss), absoluteError, pinballLoss, pinballByLevel,
      coverage: coverageOf(this.inside), fairCoverage: coverageOf(this.fairlyInside), settled,
      events: this.alarmAt ? eventScoresOf(this.values, this.options.overload!, this.alarmAt) : null,
      updateUs: this.options.clockUs ? cost.updateUs / Math.max(1, cost.updates) : null,
      forecastUs: this.options.clockUs ? cost.forecastUs / Math.max(1, cost.forecasts) : null,
    };
  }
}

function reactiveScore(values: ArrayLike<number>, options: EvaluationOptions): Evaluation['reactive'] {
  if (!options.overload) return null;
  const { threshold } = options.overload;
  const alarms = Float64Array.from({ length: values.length }, (_, t) => (t < (options.warmUpSteps ?? 0) ? NaN : values[t]! > threshold ? 1 : 0));
  const events = eventScoresOf(values, options.overload, alarms);
  return { events, recall: events.events.length === 0 ? null : shareAbove(events.events, 0.5), falseAlarmRatio: shareAbove(events.calm, 0.5) };
}

function meanMove(values: ArrayLike<number>): number {
  let sum = 0;
  let moves = 0;
  for (let t = 1; t < values.length; t++) {
    const move = Math.abs(values[t]! - values[t - 1]!);
    if (Number.isNaN(move)) continue;
    sum += move;
    moves++;
  }
  return moves === 0 ? 0 : sum / moves;
}

function intervalOf(levels: readonly number[], share: number): readonly [number, number] | undefined {
  const find = (level: number): number => levels.findIndex((each) => Math.abs(each - level) < 1e-9);
  const [low, high] = [find((1 - share) / 2), find((1 + share) / 2)];
  return low < 0 || high < 0 ? undefined : [low, high];
}
