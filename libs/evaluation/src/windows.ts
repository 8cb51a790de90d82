/** Windows of series, drawn by a seed: a history that forecasters are given, and what happened then. */
import type { Rng } from '@godwit/kernel';
import { meanMove, type GridSeries } from './recorded-series.js';
import { LEAST_PRESENT, StepDraw, presentRatio, shuffled } from './stretches.js';

export interface Window {
  readonly series: GridSeries;
  /** Step of the series at which the history ends; what happened begins there. */
  readonly originStep: number;
  /** NaN where missing. */
  readonly history: Float64Array;
  readonly actual: Float64Array;
  /** Mean move of the whole series, above 0: errors are divided by it. */
  readonly scale: number;
}

export interface WindowSize {
  /** Longest history; a short series gives less, down to the least. */
  readonly mostHistorySteps: number;
  readonly leastHistorySteps: number;
  readonly horizonSteps: number;
}

/** A history begins anew after a gap that is longer. */
const LONG_GAP_STEPS = 30;
/** Windows that are drawn for each one that is wanted, before a draw ends with fewer. */
const TRIES = 20;

/**
 * Draws up to `count` windows: the entity first, then one of its series, then the place, each with equal chances, so that
 * neither a long nor a many-columned entity outweighs others. Series that never move are left out, and so are windows that
 * lack more than three in five of their samples, or whose history never moves (there is nothing to tell forecasters apart).
 */
export function drawWindows(series: readonly GridSeries[], size: WindowSize, count: number, rng: Rng): Window[] {
  const usable = series.filter(({ values }) => values.length >= size.leastHistorySteps + size.horizonSteps && meanMove(values) > 0);
  const byEntity = grouped(usable);
  const windows: Window[] = [];
  const taken = new Set<string>();
  const places = new StepDraw();
  for (let tries = TRIES * count; tries > 0 && windows.length < count && byEntity.length > 0; tries--) {
    const entity = pick(byEntity, rng);
    const one = pick(entity, rng);
    const first = Math.min(size.mostHistorySteps, one.values.length - size.horizonSteps);
    const originStep = places.draw(one.values, first, one.values.length - size.horizonSteps, rng);
    const window = windowAt(one, originStep, size);
    const key = `${one.entity}\n${one.column}\n${originStep}`;
    if (window === undefined || taken.has(key)) continue;
    taken.add(key);
    windows.push(window);
  }
  return windows;
}

/** The window whose history ends at `originStep`; undefined where too much of it is missing or it never moves. */
export function windowAt(series: GridSeries, originStep: number, size: WindowSize): Window | undefined {
  const history = sinceLongGap(series.values.subarray(Math.max(0, originStep - size.mostHistorySteps), originStep));
  const actual = series.values.slice(originStep, originStep + size.horizonSteps);
  const scale = meanMove(series.values);
  if (history.length < size.leastHistorySteps || actual.length < size.horizonSteps) return undefined;
  if (presentRatio(history) < LEAST_PRESENT || presentRatio(actual) < LEAST_PRESENT || !(meanMove(history) > 0) || !(scale > 0)) return undefined;
  return { series, originStep, history, actual, scale };
}

/**
 * Parts series into two sets that share no entity. With one entity there is nothing to learn from: all goes to `test`.
 * @param trainRatio share of the entities that goes to `train`, 0..1.
 */
export function splitByEntity(series: readonly GridSeries[], trainRatio: number, rng: Rng): { readonly train: readonly GridSeries[]; readonly test: readonly GridSeries[] } {
  const entities = shuffled([...new Set(series.map(({ entity }) => entity))], rng);
  const training = new Set(entities.slice(0, Math.min(entities.length - 1, Math.round(entities.length * trainRatio))));
  return { train: series.filter(({ entity }) => training.has(entity)), test: series.filter(({ entity }) => !training.has(entity)) };
}

/** What followed the last gap of more than `LONG_GAP_STEPS` steps, as a copy. */
function sinceLongGap(values: Float64Array): Float64Array {
  let missing = 0;
  let from = 0;
  for (let t = 0; t < values.length; t++) {
    if (Number.isNaN(values[t]!)) missing++;
    else {
      if (missing > LONG_GAP_STEPS) from = t;
      missing = 0;
    }
  }
  return values.slice(from);
}

function grouped(series: readonly GridSeries[]): GridSeries[][] {
  const groups = new Map<string, GridSeries[]>();
  for (const one of series) {
    const group = groups.get(one.entity);
    if (group === undefined) groups.set(one.entity, [one]);
    else group.push(one);
  }
  return [...groups.values()];
}

const pick = <Item>(items: readonly Item[], rng: Rng): Item => items[Math.floor(rng.next() * items.length)]!;
