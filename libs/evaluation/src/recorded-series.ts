/**
 * Series as they were recorded, and the regular grid on which models follow them. What reads files or asks servers for
 * recordings implements `RecordedSeries`; nothing here does either.
 */
import { refuse, type DurationMs, type InstantMs, type Refusal } from '@godwit/kernel';

/** One column of one entity, as recorded. */
export interface RecordedSeries {
  /** A machine, container, thread …; empty where the recording tells none apart. */
  readonly entity: string;
  /** The metric's name. */
  readonly column: string;
  /** Never falling; milliseconds since 1970 or since the recording's own beginning. */
  readonly timesMs: Float64Array;
  /** Finite, or NaN for a sample that is missing; as many as there are times. */
  readonly values: Float64Array;
}

/** A series on a regular grid. */
export interface GridSeries {
  readonly entity: string;
  readonly column: string;
  readonly startMs: InstantMs;
  readonly stepMs: DurationMs;
  /** One a step: the mean of the samples in it, NaN without any. */
  readonly values: Float64Array;
}

/** A grid of more steps than this comes from a wrong step or a damaged clock. */
export const MAX_GRID_STEPS = 20_000_000;
/** Steps for each sample, above which a series must have pauses between regular samples rather than no step at all. */
const MOST_GAPS_RATIO = 20;

/**
 * The step that samples keep, milliseconds: the median time between neighbours where most are about that far apart; else
 * their mean without the longest tenth (pauses), so that an irregular recording is not mostly gaps. Undefined for fewer than two different times.
 */
export function usualStepMs({ timesMs }: Pick<RecordedSeries, 'timesMs'>): DurationMs | undefined {
  const steps = Float64Array.from({ length: Math.max(0, timesMs.length - 1) }, (_, i) => timesMs[i + 1]! - timesMs[i]!).filter((step) => step > 0).sort();
  if (steps.length === 0) return undefined;
  const median = steps[Math.floor(steps.length / 2)]!;
  if (isRegular(timesMs, median)) return median;
  const usual = steps.subarray(0, Math.max(1, Math.floor(0.9 * steps.length)));
  return usual.reduce((sum, step) => sum + step, 0) / usual.length;
}

/**
 * Puts a series on a grid: each sample counts for the step that is nearest to it, samples of one step are averaged.
 * @param stepMs `usualStepMs` by default.
 */
export function onGrid(series: RecordedSeries, stepMs = usualStepMs(series)): GridSeries | Refusal {
  const { entity, column, timesMs } = series;
  const name = seriesName(series);
  if (stepMs === undefined) return refuse('invalid-field', `${name} has fewer than two different times`, 'time');
  if (!(stepMs > 0)) return refuse('invalid-field', `the step is ${stepMs} ms, above 0 expected`, 'step');
  const startMs = timesMs[0]!;
  const steps = Math.round((timesMs[timesMs.length - 1]! - startMs) / stepMs) + 1;
  if (steps > MAX_GRID_STEPS) return refuse('invalid-field', `${name} would have ${steps} steps of ${stepMs} ms, at most ${MAX_GRID_STEPS} are followed: give a longer step`, 'step');
  if (steps > MOST_GAPS_RATIO * timesMs.length && !isRegular(timesMs, stepMs)) return refuse('invalid-field', `${name} is too irregular for steps of ${stepMs} ms (${timesMs.length} samples on ${steps} steps): give a longer step`, 'step');
  const sums = new Float64Array(steps);
  const counts = new Uint32Array(steps);
  for (let i = 0; i < timesMs.length; i++) {
    const value = series.values[i]!;
    if (Number.isNaN(value)) continue;
    const step = Math.round((timesMs[i]! - startMs) / stepMs);
    sums[step] = sums[step]! + value;
    counts[step] = counts[step]! + 1;
  }
  return { entity, column, startMs, stepMs, values: sums.map((sum, step) => (counts[step] === 0 ? NaN : sum / counts[step]!)) };
}

/** Whether nine in ten samples are one step after the sample before, within a quarter of the step. */
function isRegular(timesMs: Float64Array, stepMs: DurationMs): boolean {
  let regular = 0;
  for (let i = 1; i < timesMs.length; i++) if (Math.abs(timesMs[i]! - timesMs[i - 1]! - stepMs) <= stepMs / 4) regular++;
  return regular >= 0.9 * (timesMs.length - 1);
}

/** How a series is called in tables and messages: `machine-1 cpu`, or only the one that there is. */
export const seriesName = ({ entity, column }: Pick<RecordedSeries, 'entity' | 'column'>): string => [entity, column].filter((part) => part !== '').join(' ');

/** Mean |y(t) − y(t − 1)| over neighbouring samples: the error of the naive forecast one step ahead, by which errors are scaled. */
export function meanMove(values: ArrayLike<number>): number {
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
