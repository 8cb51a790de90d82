import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { RecursiveLeastSquares } from '../recursive-least-squares.js';
import { SortedWindow } from '../sorted-window.js';

const AR = 2;
const MA = 2;
const TERMS = AR + MA;
const FORGETTING = 0.998;
const RANGE_STEPS = 64;
/** Weight of the start at no memory at all, which is the last value as the forecast. */
const RIDGE = 4;
/** A value so many units away from the first one asks for a larger unit. */
const MOST_UNITS = 1e6;

/**
 * ARIMA(2,1,2) without a constant, by recursive extended least squares (Ljung, System Identification, ch. 11): the past residuals
 * stand in as inputs, so that one regression fits the moving-average part too. It holds simple smoothing (0,1,1) and a damped
 * trend as special cases, at the optimum for the series instead of from a list. Rejected: a library that fits by likelihood
 * (batch, tens of milliseconds a fit, in WASM memory), which no online path can afford.
 */
export const arima: ModelDefinition = {
  name: 'arima',
  create(options) {
    const fit = new RecursiveLeastSquares(TERMS, FORGETTING, RIDGE);
    const inputs = new Float64Array(TERMS);
    const range = new SortedWindow(RANGE_STEPS);
    let origin = NaN;
    let unit = 0;
    let last = 0;
    let learnt = 0;

    /** The newest difference and residual become the first inputs. */
    const remember = (difference: number, residual: number): void => {
      inputs.copyWithin(1, 0, AR - 1);
      inputs[0] = difference;
      inputs.copyWithin(AR + 1, AR, TERMS - 1);
      inputs[AR] = residual;
    };
    const rescale = (relative: number): void => {
      last = (last * unit) / Math.abs(relative);
      unit = Math.abs(relative);
      inputs.fill(0);
      learnt = 0;
      fit.restart();
    };
    return createFromPoints('arima', options, {
      learn(value) {
        if (Number.isNaN(origin)) origin = value;
        const relative = value - origin;
        if (Math.abs(relative) > unit * (unit === 0 ? 1 : MOST_UNITS)) rescale(relative);
        const scaled = unit > 0 ? relative / unit : 0;
        const difference = scaled - last;
        if (learnt >= AR) fit.learn(inputs, difference);
        // The residual after learning: extended least squares converges with it where it may not with the prediction error.
        const residual = difference - fit.predict(inputs);
        remember(difference, Number.isFinite(residual) ? residual : 0);
        last = scaled;
        learnt++;
        range.push(relative);
      },
      miss() {
        const expected = fit.predict(inputs);
        const moved = held(last + expected, range.least / (unit || 1), range.greatest / (unit || 1), last);
        remember(moved - last, 0);
        last = moved;
      },
      path(into, steps) {
        if (unit === 0 || learnt < 2 * TERMS) {
          into.fill(origin + last * unit, 0, steps);
          return;
        }
        const least = range.least / unit;
        const greatest = range.greatest / unit;
        const { weights } = fit;
        let [d1, d2, e1, e2] = [inputs[0]!, inputs[1]!, inputs[AR]!, inputs[AR + 1]!];
        let level = last;
        for (let h = 0; h < steps; h++) {
          const next = held(level + weights[0]! * d1 + weights[1]! * d2 + weights[2]! * e1 + weights[3]! * e2, least, greatest, last);
          d2 = d1;
          d1 = next - level;
          e2 = e1;
          e1 = 0;
          level = next;
          into[h] = origin + next * unit;
        }
      },
    });
  },
};

/** Holds an iterated value inside the recent range widened by its own width on each side. */
function held(value: number, least: number, greatest: number, fallback: number): number {
  if (!Number.isFinite(value)) return fallback;
  const width = greatest - least;
  return Math.min(greatest + width, Math.max(least - width, value));
}
