/**
 * Series of many kinds, drawn by a seed: what the default model is trained on. No recording went into it; the kinds are what
 * utilisation does for known reasons (noise around a level, drift, cycles of timers and people, batch jobs, bursts of requests,
 * regimes, counters of whole percent, averages over sliding windows), with parameters drawn widely.
 */
import { normalQuantile } from '@godwit/forecasting';
import type { Rng } from '@godwit/kernel';
import { MOVEMENTS, type Draw } from './generator-movements.js';

/** One series, of `steps` values. Its kind and its parameters come from `rng` alone. */
export function generateSeries(rng: Rng, steps: number): Float64Array {
  const draw = drawing(rng);
  let values = movement(draw, steps);
  // What a machine does is often two things at once.
  if (draw.chance(0.3)) {
    const other = movement(draw, steps);
    const ratio = (draw.logUniform(0.1, 3) * deviationOf(values)) / (deviationOf(other) || 1);
    values = values.map((value, t) => value + ratio * other[t]!);
  }
  return measured(draw, values);
}

function drawing(rng: Rng): Draw {
  const uniform = (low: number, high: number): number => low + (high - low) * rng.next();
  return {
    uniform,
    chance: (ratio) => rng.next() < ratio,
    logUniform: (low, high) => Math.exp(uniform(Math.log(low), Math.log(high))),
    whole: (low, high) => low + Math.floor(rng.next() * (high - low + 1)),
    normal: () => normalQuantile((rng.nextUint32() + 0.5) / 0x1_0000_0000),
    exponential: () => -Math.log(1 - rng.next()),
  };
}

function movement(draw: Draw, steps: number): Float64Array {
  const total = MOVEMENTS.reduce((sum, { share }) => sum + share, 0);
  let left = draw.uniform(0, total);
  const chosen = MOVEMENTS.find(({ share }) => (left -= share) < 0) ?? MOVEMENTS[0]!;
  return chosen.make(draw, steps);
}

/** What measuring does to a movement: averaging, clipping at nothing and at capacity, skewing, repeating, rounding. */
function measured(draw: Draw, movementValues: Float64Array): Float64Array {
  let values = standardised(movementValues);
  if (draw.chance(0.1)) values = values.map((value) => -value);
  if (draw.chance(0.2)) {
    const strength = draw.uniform(0.2, 1);
    values = values.map((value) => Math.exp(Math.max(-8, Math.min(4, strength * value))));
  }
  if (draw.chance(0.15)) values = slidingMean(values, draw.whole(2, 15));
  if (draw.chance(0.15)) {
    const low = draw.uniform(-2.5, -0.3);
    values = values.map((value) => Math.max(low, value));
  }
  if (draw.chance(0.08)) {
    const high = draw.uniform(0.5, 2.5);
    values = values.map((value) => Math.min(high, value));
  }
  if (draw.chance(0.2)) {
    const noise = draw.logUniform(0.01, 1);
    values = values.map((value) => value + noise * draw.normal());
  }
  if (draw.chance(0.06)) values = heldFor(values, draw.whole(2, 6));
  if (draw.chance(0.3)) {
    const grain = draw.logUniform(0.02, 1) * deviationOf(values);
    if (grain > 0) values = values.map((value) => Math.round(value / grain) * grain);
  }
  return values;
}

function slidingMean(values: Float64Array, width: number): Float64Array {
  let sum = 0;
  return values.map((value, t) => {
    sum += value - (t >= width ? values[t - width]! : 0);
    return sum / Math.min(t + 1, width);
  });
}

const heldFor = (values: Float64Array, steps: number): Float64Array => values.map((_, t) => values[t - (t % steps)]!);

function standardised(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = deviationOf(values) || 1;
  return values.map((value) => (value - mean) / deviation);
}

function deviationOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
