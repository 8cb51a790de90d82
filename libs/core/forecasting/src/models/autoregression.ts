import type { ModelDefinition, PointModel } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { SortedWindow } from '../sorted-window.js';
import { RecursiveLeastSquares } from '../recursive-least-squares.js';

const ORDER = 6;
const FORGETTING = 0.997;
/** Steps whose range bounds the iterated path: it may leave the range by its own width and no more. */
const RANGE_STEPS = 64;
/** A value so many units away from the first one asks for a larger unit: squares of larger numbers spoil the fit. */
const MOST_UNITS = 1e6;

/**
 * Autoregression of order 6 with intercept, fitted by recursive least squares and iterated.
 * Works on values relative to the first one and to the size of the first move (of a far larger one, if it comes), so that unit
 * and origin do not matter.
 */
function autoregressive(differenced: boolean): PointModel {
  // long because the closures share one fit and its buffers, which are allocated once
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
  const predicted = (): number => {
    for (let i = 0; i < ORDER; i++) inputs[i] = lags[i]!;
    inputs[ORDER] = 1;
    return fit.predict(inputs);
  };
  // The newest lags, oldest first, then the path as it grows: nothing is shifted.
  let terms: Float64Array = new Float64Array(ORDER + 64);

  return {
    learn(value) {
      if (Number.isNaN(origin)) origin = value;
      const relative = value - origin;
      if (Math.abs(relative) > unit * (unit === 0 ? 1 : MOST_UNITS)) {
        last = (last * unit) / Math.abs(relative);
        unit = Math.abs(relative);
        lags.fill(0);
        learnt = 0;
        fit.restart();
      }
      const scaled = unit > 0 ? relative / unit : 0;
      const term = differenced ? scaled - last : scaled;
      if (learnt >= ORDER) {
        predicted();
        fit.learn(inputs, term);
      }
      remember(term);
      last = scaled;
      range.push(relative);
    },
    miss() {
      // The series is taken to have followed the model, within the same bounds as a forecast.
      if (unit === 0) return;
      const expected = bounded(predicted() + (differenced ? last : 0), range.least / unit, range.greatest / unit, last);
      remember(differenced ? expected - last : expected);
      last = expected;
    },
    path(into, steps) {
      if (unit === 0 || learnt < 2 * ORDER) {
        into.fill(origin + last * unit, 0, steps);
        return;
      }
      if (terms.length < ORDER + steps) terms = new Float64Array(ORDER + steps);
      for (let i = 0; i < ORDER; i++) terms[ORDER - 1 - i] = lags[i]!;
      const least = range.least / unit;
      const greatest = range.greatest / unit;
      let level = last;
      for (let h = 0; h < steps; h++) {
        let term = fit.weights[ORDER]!;
        for (let i = 0; i < ORDER; i++) term += fit.weights[i]! * terms[h + ORDER - 1 - i]!;
        const next = bounded(differenced ? level + term : term, least, greatest, last);
        terms[h + ORDER] = differenced ? next - level : next;
        level = next;
        into[h] = origin + next * unit;
      }
    },
  };
}

/** Holds an iterated value inside the recent range widened by its own width on each side. */
function bounded(value: number, least: number, greatest: number, fallback: number): number {
  if (!Number.isFinite(value)) return fallback;
  const width = greatest - least;
  return Math.min(greatest + width, Math.max(least - width, value));
}

const define = (name: string, differenced: boolean): ModelDefinition => ({
  name,
  create: (options) => createFromPoints(name, options, autoregressive(differenced)),
});

/** On the level: series that return to a mean. */
export const autoregression = define('autoregression', false);
/** On the differences: series that wander or climb. */
export const differencedAutoregression = define('differenced-autoregression', true);
