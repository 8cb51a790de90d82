/**
 * Scores of quantile paths that forecasters gave for windows. Every window counts alike, whatever its unit: errors are divided by
 * the mean move of the window's whole series. A missing step is not scored.
 */
import type { Coverage } from '@godwit/forecasting';
import type { Window } from './windows.js';

/** How one forecaster did on one window. */
export interface PathScore {
  /** Mean absolute error of the median, in mean moves of the series. */
  readonly mase: number;
  /** Mean of twice the pinball loss over steps and levels, in mean moves of the series. */
  readonly pinball: number;
  /** Shares of the steps inside the central 50, 80 and 95 % intervals, 0..1, ends included. */
  readonly coverage: Coverage;
}

const NOMINAL = [['p50', 0.5], ['p80', 0.8], ['p95', 0.95]] as const;

/**
 * @param path horizon × levels quantiles, row by row. @param levels rising, with 0.5 and the ends of the three intervals among them.
 * @returns undefined where a quantile is not finite.
 */
export function scorePath({ actual, scale }: Window, path: ArrayLike<number>, levels: readonly number[]): PathScore | undefined {
  const values = Float64Array.from({ length: actual.length * levels.length }, (_, i) => path[i] ?? NaN);
  if (!values.every(Number.isFinite)) return undefined;
  const middle = levels.indexOf(0.5);
  const intervals = NOMINAL.map(([, share]) => intervalOf(levels, share));
  const inside = [0, 0, 0];
  let [absolute, loss, steps] = [0, 0, 0];
  for (const [step, value] of actual.entries()) {
    if (Number.isNaN(value)) continue;
    const at = step * levels.length;
    steps++;
    absolute += Math.abs(value - values[at + middle]!);
    for (let j = 0; j < levels.length; j++) loss += 2 * pinball(value - values[at + j]!, levels[j]!);
    for (const [i, interval] of intervals.entries()) if (value >= values[at + interval[0]]! && value <= values[at + interval[1]]!) inside[i] = inside[i]! + 1;
  }
  const per = (sum: number): number => sum / steps;
  return {
    mase: per(absolute) / scale, pinball: per(loss) / levels.length / scale,
    coverage: { p50: per(inside[0]!), p80: per(inside[1]!), p95: per(inside[2]!) },
  };
}

/** Pinball loss of a miss (value less quantile) at a level: level × miss above the quantile, (level − 1) × miss below it. */
export const pinball = (miss: number, level: number): number => (miss >= 0 ? level * miss : (level - 1) * miss);

/** Indices of the ends of the central interval of this share. @throws RangeError where the levels have none. */
function intervalOf(levels: readonly number[], share: number): readonly [number, number] {
  const find = (level: number): number => levels.findIndex((each) => Math.abs(each - level) < 1e-9);
  const [low, high] = [find((1 - share) / 2), find((1 + share) / 2)];
  if (low < 0 || high < 0) throw new RangeError(`no level at the ends of the central ${100 * share} % interval`);
  return [low, high];
}
