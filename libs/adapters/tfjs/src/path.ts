/**
 * From the network's answers at a few leads to a row for each step ahead.
 *
 * Between two leads each quantile's distance to the shape that it rests on (the simple forecasts, the cycle that the network
 * trusts) is interpolated on the octaves, and the shape is put back step by step. Beyond the last lead the median is held, and the quantiles
 * widen by the factor of the last octave, at most as a random walk's do.
 */
import { LEVELS } from '@godwit/forecasting';
import { startAt, type EncodedBatch } from './encoding.js';
import { OUTPUT_COLUMNS, SEASONAL_ANCHORS } from './network.js';
import { LEADS } from './shape.js';
import { prepare } from './simple-forecasts.js';
import { seasonalAt } from './window-measures.js';

const WIDTH = LEVELS.length;
const MIDDLE = LEVELS.indexOf(0.5);
const LAST = LEADS.length - 1;
/** Cycles behind each of the two seasonal anchors. */
const CYCLES: readonly number[] = [1, 4];
/** As in `encoding.ts`: the anchors were cut there. */
const MOST_SCALES = 10;
const shapes = new Float64Array(LEADS.length);

/**
 * Writes `steps` rows of quantiles for the steps 1, 2, … ahead of window `row`.
 * @param window the newest values of the series, differences to the last one, `count` of them.
 * @param outputs of `forward`, all rows of the batch.
 */
export function writePath(batch: EncodedBatch, row: number, window: Float64Array, count: number, outputs: Float32Array, steps: number, into: Float64Array): void {
  const last = batch.lasts[row]!;
  const base = row * LEADS.length;
  if (!(batch.scales[base]! > 0)) {
    into.fill(last, 0, steps * WIDTH);
    return;
  }
  const period = batch.periods[row]!;
  prepare(window, count);
  /** What of the answer runs with the series' own shape, at a lead near lead `i`. */
  const shapeAt = (i: number, lead: number): number => {
    const scale = batch.scales[base + i]!;
    const start = startAt(batch, base + i, window, count, period, lead);
    let sum = start;
    if (period === 0) return sum;
    for (let k = 0; k < SEASONAL_ANCHORS.length; k++) {
      const away = (seasonalAt(window, count, period, lead, CYCLES[k]!) - start) / scale;
      sum += outputs[(base + i) * OUTPUT_COLUMNS + WIDTH + k]! * Math.max(-MOST_SCALES, Math.min(MOST_SCALES, away)) * scale;
    }
    return sum;
  };
  /** What the network adds to the shape of lead `i`. */
  const added = (i: number, j: number): number => batch.starts[base + i]! + outputs[(base + i) * OUTPUT_COLUMNS + j]! * batch.scales[base + i]! - shapes[i]!;
  for (let i = 0; i <= LAST; i++) shapes[i] = shapeAt(i, LEADS[i]!);
  for (let lead = 1; lead <= Math.min(steps, LEADS[LAST]!); lead++) {
    const place = Math.log2(lead);
    const low = Math.min(LAST, Math.floor(place));
    const high = Math.min(LAST, low + 1);
    const share = place - low;
    const shape = (1 - share) * shapeAt(low, lead) + (share === 0 ? 0 : share * shapeAt(high, lead));
    let lower = -Infinity;
    for (let j = 0; j < WIDTH; j++) {
      // Single precision may sum neighbouring gaps in another order: never below the quantile before it.
      lower = Math.max(lower, last + shape + (1 - share) * added(low, j) + (share === 0 ? 0 : share * added(high, j)));
      into[(lead - 1) * WIDTH + j] = lower;
    }
  }
  if (steps > LEADS[LAST]!) extrapolate(steps, into);
}

function extrapolate(steps: number, into: Float64Array): void {
  const at = (LEADS[LAST]! - 1) * WIDTH;
  const before = (LEADS[LAST - 1]! - 1) * WIDTH;
  const wide = into[at + WIDTH - 1]! - into[at]!;
  const narrow = into[before + WIDTH - 1]! - into[before]!;
  const perOctave = narrow > 0 ? Math.min(Math.SQRT2, Math.max(1, wide / narrow)) : 1;
  const median = into[at + MIDDLE]!;
  for (let lead = LEADS[LAST]! + 1; lead <= steps; lead++) {
    const growth = perOctave ** Math.log2(lead / LEADS[LAST]!);
    for (let j = 0; j < WIDTH; j++) into[(lead - 1) * WIDTH + j] = median + (into[at + j]! - median) * growth;
  }
}
