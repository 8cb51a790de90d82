/** Scores of both sides on the windows of a family. Windows are taken in the order of time, so that what series teach their kind is never the future. */
import { KindMemory, LEVELS, MODELS, PooledQuantiles, type Model } from '@godwit/forecasting';
import { COMBINATION, createAll, createCombination, floorOf, follow, pathOf, scorePath, stretchOf, type Borrowed, type GridSeries, type PathScore, type Window } from '../index.js';
import type { Family } from './families.js';
import type { RAnswer } from './r-peer.js';

export const R_MODELS: readonly string[] = ['auto.arima', 'ets', 'thetaf', 'tbats', 'nnetar'];
const R_NAIVE: readonly string[] = ['naive', 'median'];
/** What a family's training entities teach at most, in series and in steps of each. */
const TRAINING = { series: 12, steps: 600 } as const;

export interface Drawn {
  readonly family: Family;
  readonly horizonSteps: number;
  readonly train: readonly GridSeries[];
  readonly test: readonly GridSeries[];
  readonly windows: readonly Window[];
}

export interface FamilyScores {
  /** By forecaster, one score for each window; undefined where it gave none. */
  readonly scores: ReadonlyMap<string, readonly (PathScore | undefined)[]>;
  /** CPU of auto.arima for one series; undefined without R. */
  readonly arimaMs: number | undefined;
  /** Quantiles of the combination for the first window. */
  readonly firstPath: Float64Array | undefined;
}

export function scoreFamily({ train, windows, horizonSteps }: Drawn, answers: ReadonlyMap<Window, RAnswer>, allModels: boolean): FamilyScores {
  const taught = teach(train, horizonSteps);
  const scores = new Map<string, (PathScore | undefined)[]>();
  const arima: number[] = [];
  let firstPath: Float64Array | undefined;
  const inTime = windows.map((window, i) => ({ window, i })).sort((a, b) => endMs(a.window) - endMs(b.window));
  for (const { window, i } of inTime) {
    const add = (name: string, path: ArrayLike<number> | undefined): void => {
      const list = scores.get(name) ?? Array.from({ length: windows.length }, () => undefined);
      scores.set(name, list);
      list[i] = path && scorePath(window, path, LEVELS);
    };
    const borrowed = { ...taught(window.series.column), ...floorOf(window.series) };
    for (const model of modelsFor(horizonSteps, borrowed, allModels)) {
      follow(model, window.history);
      const path = pathOf(model, window.actual.length);
      if (model.name === COMBINATION && i === 0) firstPath = path;
      add(model.name, path);
    }
    const answer = answers.get(window);
    for (const name of [...R_MODELS, ...R_NAIVE]) add(`R ${name}`, answer?.get(name)?.path?.map((value) => Math.max(borrowed.floor ?? -Infinity, value)));
    const spent = answer?.get('auto.arima')?.cpuMs;
    if (spent !== undefined) arima.push(spent);
  }
  return { scores, firstPath, arimaMs: arima.length === 0 ? undefined : arima.reduce((sum, ms) => sum + ms, 0) / arima.length };
}

const endMs = ({ series, originStep }: Window): number => series.startMs + originStep * series.stepMs;

function modelsFor(horizonSteps: number, borrowed: Borrowed, all: boolean): readonly Model[] {
  return all ? createAll(horizonSteps, borrowed) : createAll(horizonSteps, borrowed, MODELS.filter(({ name }) => name === 'last-value' || name === 'rolling-median')).slice(0, -1).concat(createCombination(horizonSteps, borrowed));
}

/** Lets the combination follow the training entities; answers what a new series of a column borrows. */
function teach(train: readonly GridSeries[], horizonSteps: number): (column: string) => Borrowed {
  const memory = new KindMemory(LEVELS.length, Math.max(64, horizonSteps));
  const pools = new Map<string, PooledQuantiles>();
  const taught = (column: string): Borrowed => {
    const pooled = pools.get(column) ?? new PooledQuantiles(LEVELS, memory.maxHorizonSteps);
    pools.set(column, pooled);
    return { kind: memory.of(column), pooled };
  };
  const perColumn = new Map<string, number>();
  for (const one of train) {
    const seen = perColumn.get(one.column) ?? 0;
    perColumn.set(one.column, seen + 1);
    if (seen < TRAINING.series) follow(createCombination(horizonSteps, taught(one.column)), stretchOf(one, 0, TRAINING.steps).values);
  }
  return taught;
}

export interface Ratio {
  readonly name: string;
  readonly mase: number;
  readonly pinball: number;
  /** Geometric mean of the windows' own ratios of absolute errors: a window whose history hardly moved does not decide alone. */
  readonly avgRelMae: number;
  readonly windows: number;
}
/** A window that one side hits exactly counts as so much better, and no more. */
const LEAST_RATIO = 0.01;

/** The combination's mean scores over a peer's, on the windows that both answered; undefined for fewer than three. */
export function ratioTo({ scores }: FamilyScores, name: string): Ratio | undefined {
  const own = scores.get(COMBINATION) ?? [];
  const pairs = (scores.get(name) ?? []).flatMap((theirs, i) => (theirs && own[i] ? [{ theirs, ours: own[i] }] : []));
  if (pairs.length < 3) return undefined;
  const sum = (of: (pair: (typeof pairs)[number]) => number): number => pairs.reduce((total, pair) => total + of(pair), 0);
  const logs = pairs.map(({ ours, theirs }) => (ours.mase === theirs.mase ? 0 : Math.log(Math.min(1 / LEAST_RATIO, Math.max(LEAST_RATIO, ours.mase / theirs.mase)))));
  const avgRelMae = Math.exp(logs.reduce((total, log) => total + log, 0) / logs.length);
  return { name, windows: pairs.length, avgRelMae, mase: sum(({ ours }) => ours.mase) / sum(({ theirs }) => theirs.mase), pinball: sum(({ ours }) => ours.pinball) / sum(({ theirs }) => theirs.pinball) };
}

/** The peer that is hardest to beat, by each score; undefined where none answered. */
export function hardest(family: FamilyScores, names: readonly string[]): { readonly mase: Ratio; readonly pinball: Ratio; readonly avgRelMae: Ratio } | undefined {
  const ratios = names.flatMap((name) => ratioTo(family, name) ?? []);
  if (ratios.length === 0) return undefined;
  const worst = (of: (ratio: Ratio) => number): Ratio => ratios.reduce((a, b) => (of(b) > of(a) ? b : a));
  return { mase: worst(({ mase }) => mase), pinball: worst(({ pinball }) => pinball), avgRelMae: worst(({ avgRelMae }) => avgRelMae) };
}
