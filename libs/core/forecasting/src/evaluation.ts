import type { Model } from './model.js';

/** How a model did on a series, over all leads. */
export interface Score {
  /** Mean pinball loss over levels and leads, in the unit of the series. */
  readonly pinballLoss: number;
  /** Mean absolute error of the median. */
  readonly absoluteError: number;
  /** Share of values inside the central intervals between levels j and n - 1 - j, from the widest to the narrowest, 0..1. */
  readonly coverageRatios: readonly number[];
}

/** Lets a model follow `values` and scores each of its forecasts at `leads` after `warmUpSteps`. For specs and benchmarks. */
export function evaluate(model: Model, values: readonly number[], leads: Int32Array, levels: readonly number[], warmUpSteps: number): Score {
  const into = new Float64Array(leads.length * levels.length);
  const median = levels.indexOf(0.5);
  const inside = new Array<number>(Math.floor(levels.length / 2)).fill(0);
  let loss = 0;
  let absolute = 0;
  let settled = 0;
  for (let t = 0; t < values.length - leads[leads.length - 1]!; t++) {
    model.update(values[t]!);
    if (t < warmUpSteps) continue;
    model.forecast(leads, into);
    for (let k = 0; k < leads.length; k++) {
      const actual = values[t + leads[k]!]!;
      const at = k * levels.length;
      for (let j = 0; j < levels.length; j++) {
        const miss = actual - into[at + j]!;
        loss += (2 * (miss >= 0 ? levels[j]! * miss : (levels[j]! - 1) * miss)) / levels.length;
      }
      absolute += Math.abs(actual - into[at + median]!);
      for (let j = 0; j < inside.length; j++) {
        if (actual >= into[at + j]! && actual <= into[at + levels.length - 1 - j]!) inside[j] = inside[j]! + 1;
      }
      settled++;
    }
  }
  return { pinballLoss: loss / settled, absoluteError: absolute / settled, coverageRatios: inside.map((count) => count / settled) };
}
