import { LEVELS } from '@godwit/forecasting';
import { pinball, scorePath, type Window } from './index.js';

const window = (actual: readonly number[], scale = 2): Window => ({
  series: { entity: 'a', column: 'cpu', startMs: 0, stepMs: 1_000, values: Float64Array.of(8, 10) }, originStep: 2, history: Float64Array.of(8, 10), actual: Float64Array.from(actual), scale,
});
/** Quantiles 6, 7, 8, 9, 10, 11, 12, 13, 14 at the nine levels. */
const ROW = [6, 7, 8, 9, 10, 11, 12, 13, 14];

describe('scores of a path', () => {
  it('are as computed by hand', () => {
    // Step 1: 12 against the median 10 is off by 2; inside the 80 % interval [8, 12] by its end, outside the 50 % one [9, 11].
    // Losses: 0.025 × 6 + 0.05 × 5 + 0.1 × 4 + 0.25 × 3 + 0.5 × 2 + 0.75 × 1 + 0.9 × 0 + 0.05 × 1 + 0.025 × 2 = 3.4.
    // Step 2: 10 is the median. 0.025 × 4 + 0.05 × 3 + 0.1 × 2 + 0.25 × 1 = 0.7 on either side, so 1.4.
    const score = scorePath(window([12, 10]), [...ROW, ...ROW], LEVELS)!;
    expect(score.mase).toBeCloseTo((2 + 0) / 2 / 2, 12);
    expect(score.pinball).toBeCloseTo((2 * (3.4 + 1.4)) / 2 / 9 / 2, 12);
    expect(score.coverage).toEqual({ p50: 0.5, p80: 1, p95: 1 });
  });
  it('pass over missing steps, and none is made of a path that is not finite', () => {
    expect(scorePath(window([NaN, 12]), [...ROW, ...ROW], LEVELS)!.mase).toBe(1);
    expect(scorePath(window([1, 12]), [...ROW, ...ROW.with(3, NaN)], LEVELS)).toBeUndefined();
    expect(scorePath(window([1, 12]), ROW, LEVELS)).toBeUndefined();
  });
  it('know a value outside of every interval', () => {
    expect(scorePath(window([20]), ROW, LEVELS)!.coverage).toEqual({ p50: 0, p80: 0, p95: 0 });
  });
  it('charge a miss above by the level and one below by the rest', () => {
    expect([pinball(4, 0.9), pinball(-4, 0.9), pinball(0, 0.9)]).toEqual([3.6, expect.closeTo(0.4, 12), 0]);
  });
});
