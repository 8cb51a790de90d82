import { normalQuantile } from '../levels.js';
import type { Model, ModelDefinition } from '../model.js';
import { SortedWindow } from '../sorted-window.js';

const WINDOW_STEPS = 320;
/** Fewer steps say nothing about a distribution. */
const LEAST_STEPS = 24;

/**
 * The distribution of the last 320 steps, the same at every lead. Whatever a series returns to is here, so that far ahead it
 * is hard to beat where there is a level at all; the name is the one that meteorologists give it.
 */
export const climatology: ModelDefinition = {
  name: 'climatology',
  create({ levels, priorSpread }): Model {
    const window = new SortedWindow(WINDOW_STEPS);
    const prior = levels.map((level) => normalQuantile(level) * priorSpread);
    // Differences to the first value, so that single precision suffices far from zero.
    let origin = NaN;
    let last = 0;
    return {
      name: 'climatology',
      ready: () => window.size >= LEAST_STEPS,
      update(value) {
        if (Number.isNaN(origin)) origin = value;
        window.push(value - origin);
        last = value;
      },
      skip(steps) {
        // What was before a gap as long as the window is another climate.
        if (steps >= WINDOW_STEPS) window.clear();
      },
      forecast(leads, into) {
        const seen = Math.min(1, Math.max(0, window.size - 1) / LEAST_STEPS);
        for (let j = 0; j < levels.length; j++) {
          const expected = last + prior[j]!;
          into[j] = window.size === 0 ? last : seen * (origin + window.quantile(levels[j]!)) + (1 - seen) * expected;
        }
        for (let k = 1; k < leads.length; k++) into.copyWithin(k * levels.length, 0, levels.length);
      },
    };
  },
};
