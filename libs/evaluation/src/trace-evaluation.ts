/**
 * Evaluates every model and their combination on the series of a trace: one walk over each series, scored at each step after the
 * warm-up. Series of one column form a table: their scaled scores are averaged, their overload events joined. Series are of one
 * kind, so the combination borrows from those that it has followed before.
 */
import { KindMemory, PooledQuantiles, LEVELS, MODELS, evaluateModels, recallBesideReactive, type Coverage, type Evaluation, type EventScores, type Model, type ModelDefinition } from '@godwit/forecasting';
import { COMBINATION, NAIVE, createAll } from './forecaster.js';
import type { GridSeries } from './recorded-series.js';

export interface TraceOptions {
  readonly horizonSteps: number;
  /** Steps that models follow before the first score. */
  readonly warmUpSteps: number;
  /** A value above it is an overload; by default the 95th percentile of each series. */
  readonly threshold?: number;
  /** An overload counts as foreseen when it was at least so many steps ahead. */
  readonly leastLeadSteps: number;
  /** The whole bank by default. */
  readonly models?: readonly ModelDefinition[];
  /** Forecasters beside those of the bank; they also take part in the combination. */
  readonly extra?: readonly ModelDefinition[];
  readonly clockUs: () => number;
}

/** One model over the series of a table; null where there was nothing to judge by. */
export interface TraceRow {
  readonly model: string;
  readonly mase: number | null;
  readonly pinball: number | null;
  /** Values that equal quantiles are shared among the levels that these stand for. */
  readonly coverage: Coverage | null;
  /** Share of the overloads that were foreseen, at the false-alarm rate of the current-value rule. */
  readonly recall: number | null;
  /** Microseconds of one update and one forecast of the whole horizon at all levels. */
  readonly costUs: number;
  readonly naive: boolean;
}

export interface TraceTable {
  /** The column; undefined for all columns together. */
  readonly column: string | undefined;
  readonly series: number;
  /** Forecasts of single steps that the combination was scored on. */
  readonly settled: number;
  readonly rows: readonly TraceRow[];
  readonly betterNaive: { readonly mase: string; readonly pinball: string } | undefined;
  readonly events: number;
  /** The current-value rule's own recall and false-alarm rate. */
  readonly reactive: { readonly recall: number | null; readonly falseAlarmRatio: number };
}

export interface Progress { readonly done: number; readonly of: number; readonly series: GridSeries }

const LEADS = [1, 2, 5, 10, 20, 40];
const COST_STEPS = 20;

interface Walked { readonly column: string; readonly evaluation: Evaluation; readonly costUs: ReadonlyMap<string, number> }

/** Yields after each series; returns a table per column and, for several columns, one over all. */
export function* evaluateTrace(series: readonly GridSeries[], options: TraceOptions): Generator<Progress, readonly TraceTable[]> {
  const memory = new KindMemory(LEVELS.length, Math.max(64, options.horizonSteps));
  const pools = new Map<string, PooledQuantiles>();
  const walked: Walked[] = [];
  for (const [i, one] of series.entries()) {
    const pooled = pools.get(one.column) ?? new PooledQuantiles(LEVELS, memory.maxHorizonSteps);
    pools.set(one.column, pooled);
    const models = createAll(options.horizonSteps, { kind: memory.of(one.column), pooled, ...floorOf(one) }, [...(options.models ?? MODELS), ...(options.extra ?? [])]);
    walked.push(walk(one, models, options));
    yield { done: i + 1, of: series.length, series: one };
  }
  const columns = [...new Set(series.map(({ column }) => column))];
  const tables = columns.map((column) => tableOf(column, walked.filter((one) => one.column === column)));
  return columns.length > 1 ? [...tables, tableOf(undefined, walked)] : tables;
}

/** A series that was never negative has the floor 0. */
export const floorOf = ({ values }: Pick<GridSeries, 'values'>): { readonly floor?: number } => (values.every((value) => !(value < 0)) ? { floor: 0 } : {});

function walk({ column, values }: GridSeries, models: readonly Model[], options: TraceOptions): Walked {
  const { horizonSteps, warmUpSteps, leastLeadSteps, clockUs } = options;
  const leads = Int32Array.from([...LEADS.filter((lead) => lead < horizonSteps), horizonSteps]);
  const overload = { threshold: options.threshold ?? quantileOf(values, 0.95), leastLeadSteps: Math.min(leastLeadSteps, horizonSteps), mostLeadSteps: horizonSteps };
  const evaluation = evaluateModels(models, values, { leads, levels: LEVELS, warmUpSteps, overload });
  return { column, evaluation, costUs: new Map(models.map((model) => [model.name, costUsOf(model, values, horizonSteps, clockUs)])) };
}

/** Mean cost of an update followed by a forecast of every step of the horizon, on the newest values once more. */
function costUsOf(model: Model, values: Float64Array, horizonSteps: number, clockUs: () => number): number {
  const leads = Int32Array.from({ length: horizonSteps }, (_, k) => k + 1);
  const into = new Float64Array(horizonSteps * LEVELS.length);
  const given = values.filter((value) => !Number.isNaN(value)).slice(-COST_STEPS);
  const begunUs = clockUs();
  for (const value of given) {
    model.update(value);
    model.forecast(leads, into);
  }
  return (clockUs() - begunUs) / Math.max(1, given.length);
}

function tableOf(column: string | undefined, walked: readonly Walked[]): TraceTable {
  const names = walked[0]?.evaluation.scores.map(({ model }) => model) ?? [];
  const reactiveEvents = walked.map(({ evaluation }) => evaluation.reactive!.events);
  const rows = names.map((model) => rowOf(model, walked, reactiveEvents));
  const reactive = recallBesideReactive(reactiveEvents, reactiveEvents);
  return {
    column, series: walked.length, rows, betterNaive: betterNaiveOf(rows), events: reactiveEvents.reduce((sum, { events }) => sum + events.length, 0),
    settled: walked.reduce((sum, { evaluation }) => sum + (evaluation.scores.find(({ model }) => model === COMBINATION)?.settled ?? 0), 0),
    reactive: { recall: reactive.reactive, falseAlarmRatio: reactive.falseAlarmRatio },
  };
}

function rowOf(model: string, walked: readonly Walked[], reactiveEvents: readonly EventScores[]): TraceRow {
  const scores = walked.map(({ evaluation }) => evaluation.scores.find((score) => score.model === model)!);
  const moving = scores.filter((score) => score.mase !== null);
  const mean = (of: (score: (typeof scores)[number]) => number): number | null => (moving.length === 0 ? null : moving.reduce((sum, score) => sum + of(score), 0) / moving.length);
  const coverage = mean(({ fairCoverage }) => fairCoverage.p50);
  return {
    model, naive: NAIVE.includes(model), mase: mean((score) => score.mase!), pinball: mean((score) => score.scaledPinball!),
    coverage: coverage === null ? null : { p50: coverage, p80: mean(({ fairCoverage }) => fairCoverage.p80)!, p95: mean(({ fairCoverage }) => fairCoverage.p95)! },
    recall: recallBesideReactive(scores.map(({ events }) => events!), reactiveEvents).own,
    costUs: walked.reduce((sum, one) => sum + one.costUs.get(model)!, 0) / walked.length,
  };
}

function betterNaiveOf(rows: readonly TraceRow[]): TraceTable['betterNaive'] {
  const naive = rows.filter((row) => row.naive && row.mase !== null);
  if (naive.length === 0) return undefined;
  const least = (of: (row: TraceRow) => number): string => naive.reduce((best, row) => (of(row) < of(best) ? row : best)).model;
  return { mase: least(({ mase }) => mase!), pinball: least(({ pinball }) => pinball!) };
}

/** The value below which this share of the values lies; NaN for none. */
export function quantileOf(values: Float64Array, share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}
