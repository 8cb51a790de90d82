import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';

/** The newest value stays. The peer that every other model must beat, and the best there is for a random walk. */
export const lastValue: ModelDefinition = {
  name: 'last-value',
  create(options) {
    let last = 0;
    return createFromPoints('last-value', options, {
      learn(value) {
        last = value;
      },
      miss() {},
      path(into, steps) {
        into.fill(last, 0, steps);
      },
    });
  },
};
