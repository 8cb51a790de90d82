import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { SettingChoice } from '../setting-choice.js';

/** Level smoothing, trend smoothing, damping of the trend per step. */
const SETTINGS = [
  [0.1, 0.05, 0.98], [0.1, 0.02, 1], [0.3, 0.05, 0.98], [0.3, 0.1, 1],
  [0.5, 0.1, 0.9], [0.5, 0.2, 0.98], [0.8, 0.1, 0.9], [0.8, 0.3, 0.98],
] as const;

/** phi + phi² + … + phi^steps: how many undamped steps of trend a damped one is worth. */
export const dampedSteps = (phi: number, steps: number): number => (phi === 1 ? steps : (phi * (1 - phi ** steps)) / (1 - phi));

/** Holt's linear trend, damped (Gardner and McKenzie 1985), with the setting that did best lately at that lead. */
export const dampedTrend: ModelDefinition = {
  name: 'damped-trend',
  create(options) {
    const level = new Float64Array(SETTINGS.length);
    const trend = new Float64Array(SETTINGS.length);
    let learnt = 0;
    const pointAt = (index: number, lead: number): number =>
      level[index]! + trend[index]! * dampedSteps(SETTINGS[index]![2], lead);
    const choice = new SettingChoice({ count: SETTINGS.length, pointAt }, 2);
    return createFromPoints('damped-trend', options, {
      learn(value) {
        choice.settle(value);
        learnt++;
        for (let m = 0; m < SETTINGS.length; m++) {
          const [alpha, beta, phi] = SETTINGS[m]!;
          const expected = level[m]! + phi * trend[m]!;
          const moved = expected + Math.max(alpha, 1 / learnt) * (value - expected);
          if (learnt > 1) trend[m] = phi * trend[m]! + beta * (moved - level[m]! - phi * trend[m]!);
          level[m] = moved;
        }
        choice.issue();
      },
      miss() {
        for (let m = 0; m < SETTINGS.length; m++) {
          trend[m] = trend[m]! * SETTINGS[m]![2];
          level[m] = level[m]! + trend[m]!;
        }
        choice.miss();
      },
      path(into, steps) {
        for (let h = 1; h <= steps; h++) into[h - 1] = pointAt(choice.bestFor(h), h);
      },
    });
  },
};
