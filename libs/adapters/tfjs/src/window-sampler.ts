/** Draws training windows from series, and what came after them. */
import type { Rng } from '@godwit/kernel';
import { encode, type EncodedBatch } from './encoding.js';
import { LEADS, LEAST_STEPS, WINDOW_STEPS } from './shape.js';

export interface TrainingSeries {
  /** Values by step, NaN where missing. */
  readonly values: Float64Array;
  /** Per lead, its mean |x(t) − x(t − lead)|: what its errors are measured in. */
  readonly errors: Float64Array;
}

/** @returns undefined when it is too short, or never moves: there is nothing to learn from it. */
export function trainingSeries(values: Float64Array): TrainingSeries | undefined {
  if (values.length < LEAST_STEPS + LEADS[LEADS.length - 1]! / 2) return undefined;
  const errors = Float64Array.from(LEADS, (lead) => meanMove(values, lead));
  for (let i = 1; i < errors.length; i++) if (!(errors[i]! > 0)) errors[i] = errors[i - 1]!;
  return errors[0]! > 0 ? { values, errors } : undefined;
}

function meanMove(values: Float64Array, lead: number): number {
  let sum = 0;
  let count = 0;
  for (let t = lead; t < values.length; t++) {
    const move = Math.abs(values[t]! - values[t - lead]!);
    if (Number.isNaN(move)) continue;
    sum += move;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/** What the network should have said, and how much it counts. */
export interface Targets {
  /** Windows × leads, in scales of the lead relative to where the network starts. */
  readonly values: Float32Array;
  /** Scale of the lead over the series' own error, 0 where the step is missing. */
  readonly weights: Float32Array;
}
export const newTargets = (size: number): Targets => ({ values: new Float32Array(size * LEADS.length), weights: new Float32Array(size * LEADS.length) });

/** A window that is far wilder than its series would drown the others; what is further off than so many scales counts no more. */
const MOST_WEIGHT = 4;
const MOST_MISS = 200;
/** Share of windows that are cut short, so that young series are known too. */
const SHORT_RATIO = 0.2;

/** Fills row `row` with the window of `series` that ends before step `end` (and starts at `from` at the earliest). */
export function sampleAt(series: TrainingSeries, from: number, end: number, batch: EncodedBatch, targets: Targets, row: number): void {
  const history = from > 0 ? series.values.subarray(from, end) : series.values;
  encode(history, from > 0 ? end - from : end, batch, row);
  for (let i = 0; i < LEADS.length; i++) {
    const at = row * LEADS.length + i;
    const scale = batch.scales[at]!;
    const actual = series.values[end - 1 + LEADS[i]!];
    const known = actual !== undefined && !Number.isNaN(actual) && scale > 0;
    targets.values[at] = known ? Math.max(-MOST_MISS, Math.min(MOST_MISS, (actual - batch.lasts[row]! - batch.starts[at]!) / scale)) : 0;
    targets.weights[at] = known ? Math.min(MOST_WEIGHT, scale / series.errors[i]!) : 0;
  }
}

/** A window at a random place of the series. */
export function sampleAnywhere(series: TrainingSeries, rng: Rng, batch: EncodedBatch, targets: Targets, row: number): void {
  const last = series.values.length - 1;
  const first = Math.min(WINDOW_STEPS, Math.max(LEAST_STEPS, last >> 1));
  const end = first + Math.floor(rng.next() * Math.max(1, last - first - LEADS[LEADS.length - 1]! / 4));
  const steps = rng.next() < SHORT_RATIO ? LEAST_STEPS + Math.floor(rng.next() * (WINDOW_STEPS - LEAST_STEPS)) : WINDOW_STEPS;
  sampleAt(series, Math.max(0, end - steps), end, batch, targets, row);
}
