import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { SettingChoice } from '../setting-choice.js';
import { SortedWindow } from '../sorted-window.js';

const WINDOW_STEPS = [5, 15, 45, 135] as const;

/** The median of the last 5 to 135 steps, whichever did best: hard to beat on noise with bursts around a level. */
export const rollingMedian: ModelDefinition = {
  name: 'rolling-median',
  create(options) {
    const windows = WINDOW_STEPS.map((steps) => new SortedWindow(steps));
    // Windows hold differences to the first value, so that single precision suffices far from zero.
    let origin = NaN;
    const medianOf = (index: number): number => origin + windows[index]!.quantile(0.5);
    const choice = new SettingChoice({ count: windows.length, pointAt: medianOf }, 1);
    return createFromPoints('rolling-median', options, {
      learn(value) {
        if (Number.isNaN(origin)) origin = value;
        choice.settle(value);
        for (const window of windows) window.push(value - origin);
        choice.issue();
      },
      miss() {
        choice.miss();
      },
      path(into, steps) {
        for (let h = 1; h <= steps; h++) into[h - 1] = medianOf(choice.bestFor(h));
      },
    });
  },
};
