/** Stretches of series, drawn by a seed: what a long trace is judged by when all of it would take too long. */
import type { Rng } from '@godwit/kernel';
import type { GridSeries } from './recorded-series.js';

/**
 * Draws up to `count` stretches of at most `steps` steps, one of each series before a second of any. Stretches of one series may
 * overlap. Series of fewer than `leastSteps` steps are left out.
 */
export function drawStretches(series: readonly GridSeries[], { steps, leastSteps }: { readonly steps: number; readonly leastSteps: number }, count: number, rng: Rng): GridSeries[] {
  const usable = shuffled(series.filter(({ values }) => values.length >= leastSteps), rng);
  const drawn: GridSeries[] = [];
  const places = new StepDraw();
  for (let tries = 0; tries < TRIES * count && drawn.length < count && usable.length > 0; tries++) {
    const one = usable[tries % usable.length]!;
    // A short series has one stretch only.
    if (tries >= usable.length && one.values.length <= steps) continue;
    const stretch = stretchOf(one, places.draw(one.values, 0, Math.max(0, one.values.length - steps), rng), steps);
    if (presentRatio(stretch.values) >= LEAST_PRESENT) drawn.push(stretch);
  }
  return drawn;
}

/** Draws for each stretch that is wanted, before a draw ends with fewer. */
const TRIES = 10;
/** What lacks more than three in five of its samples tells little. */
export const LEAST_PRESENT = 0.4;

export const presentRatio = (values: Float64Array): number => values.reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0) / values.length;

/** Where to begin, by series; what was counted once is kept. */
export class StepDraw {
  private readonly filled = new Map<Float64Array, Int32Array | undefined>();

  /**
   * A step from `first` to `last`, each as likely as any other; of a series that is mostly gaps, one that has a sample,
   * since recordings with long pauses would be met in a pause nearly always.
   */
  draw(values: Float64Array, first: number, last: number, rng: Rng): number {
    const chance = rng.next();
    if (!this.filled.has(values)) this.filled.set(values, presentRatio(values) >= LEAST_PRESENT ? undefined : filledSteps(values));
    const filled = this.filled.get(values);
    if (filled === undefined) return first + Math.floor(chance * (last - first + 1));
    const between = filled.filter((step) => step >= first && step <= last);
    return between[Math.floor(chance * between.length)] ?? first;
  }
}

function filledSteps(values: Float64Array): Int32Array {
  const steps: number[] = [];
  for (let t = 0; t < values.length; t++) if (!Number.isNaN(values[t]!)) steps.push(t);
  return Int32Array.from(steps);
}

export function stretchOf(series: GridSeries, fromStep: number, steps: number): GridSeries {
  return { ...series, startMs: series.startMs + fromStep * series.stepMs, values: series.values.slice(fromStep, fromStep + steps) };
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[], rng: Rng): Item[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(rng.next() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
