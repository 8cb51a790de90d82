import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { SettingChoice } from '../setting-choice.js';

const ALPHAS = [0.01, 0.03, 0.1, 0.2, 0.4, 0.7] as const;

/** Simple exponential smoothing (Brown 1959) with the smoothing constant that did best lately at that lead. */
export const simpleSmoothing: ModelDefinition = {
  name: 'simple-smoothing',
  create(options) {
    const level = new Float64Array(ALPHAS.length);
    let learnt = 0;
    const choice = new SettingChoice({ count: ALPHAS.length, pointAt: (index) => level[index]! }, 3);
    return createFromPoints('simple-smoothing', options, {
      learn(value) {
        choice.settle(value);
        learnt++;
        // The plain mean until the window implied by alpha is full: the first value has no special right.
        for (let m = 0; m < ALPHAS.length; m++) level[m] = level[m]! + (value - level[m]!) * Math.max(ALPHAS[m]!, 1 / learnt);
        choice.issue();
      },
      miss() {
        choice.miss();
      },
      path(into, steps) {
        for (let h = 1; h <= steps; h++) into[h - 1] = level[choice.bestFor(h)]!;
      },
    });
  },
};
