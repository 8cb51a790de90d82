import type { ModelDefinition, PointModel } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { SortedWindow } from '../sorted-window.js';
import { RecursiveLeastSquares } from '../recursive-least-squares.js';

const ORDER = 6;
const FORGETTING = 0.997;
/** Steps whose range bounds the iterated path: it may leave the range by its own width and no more. */
const RANGE_STEPS = 64;

/**
 * Autoregression of order 6 with intercept, fitted by recursive least squares and iterated.
 * Works on values relative to the first one and to the size of the first move, so that unit and origin do not matter.
 */
function autoregressive(differenced: boolean): PointModel {
  const fit = new RecursiveLeastSquares(ORDER + 1, FORGETTING, 1);
  const lags = new Float64Array(ORDER);
  const inputs = new Float64Array(ORDER + 1);
  const range = new SortedWindow(RANGE_STEPS);
  let origin = NaN;
  let unit = 0;
  let last = 0;
  let learnt = 0;

  const remember = (term: number): void => {
    lags.copyWithin(1, 0, ORDER - 1);
    lags[0] = term;
    learnt++;
  };
  const predicted = (history: Float64Array): number => {
    for (let i = 0; i < ORDER; i++) inputs[i] = history[i]!;
    inputs[ORDER] = 1;
    return fit.predict(inputs);
  };
  const future = new Float64Array(ORDER);

  return {
    learn(value) {
      if (Number.isNaN(origin)) origin = value;
      const relative = value - origin;
      if (unit === 0) unit = Math.abs(relative);
      const scaled = unit > 0 ? relative / unit : 0;
      const term = differenced ? scaled - last : scaled;
      if (learnt >= ORDER) {
        predicted(lags);
        fit.learn(inputs, term);
      }
      remember(term);
      last = scaled;
      range.push(scaled);
    },
    miss() {
      // The series is taken to have followed the model, within the same bounds as a forecast.
      const expected = bounded(predicted(lags) + (differenced ? last : 0), range, last);
      remember(differenced ? expected - last : expected);
      last = expected;
    },
    path(into, steps) {
      future.set(lags);
      let level = last;
      for (let h = 0; h < steps; h++) {
        const term = learnt < 2 * ORDER ? (differenced ? 0 : last) : predicted(future);
        const next = bounded(differenced ? level + term : term, range, last);
        future.copyWithin(1, 0, ORDER - 1);
        future[0] = differenced ? next - level : next;
        level = next;
        into[h] = origin + next * unit;
      }
    },
  };
}

/** Holds an iterated value inside the recent range widened by its own width on each side. */
function bounded(value: number, range: SortedWindow, fallback: number): number {
  const width = range.greatest - range.least;
  if (!Number.isFinite(value)) return fallback;
  return Math.min(range.greatest + width, Math.max(range.least - width, value));
}

const define = (name: string, differenced: boolean): ModelDefinition => ({
  name,
  create: (options) => createFromPoints(name, options, autoregressive(differenced)),
});

/** On the level: series that return to a mean. */
export const autoregression = define('autoregression', false);
/** On the differences: series that wander or climb. */
export const differencedAutoregression = define('differenced-autoregression', true);
