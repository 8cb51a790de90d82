/** The nine quantile levels that every forecast of Godwit carries, rising, symmetric around the median. */
export const LEVELS: readonly number[] = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975];

/** Index of the level nearest to 0.5. */
export function nearestToMedian(levels: readonly number[]): number {
  let best = 0;
  for (let j = 1; j < levels.length; j++) if (Math.abs(levels[j]! - 0.5) < Math.abs(levels[best]! - 0.5)) best = j;
  return best;
}

/** Largest magnitude of a sample that is taken, in the unit of the series: sums and squares of such values stay finite. */
export const MAX_ABS_VALUE = 1e15;

/** Distribution function of the standard normal; absolute error below 1.5e-7 (Abramowitz and Stegun 7.1.26). */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erfc = poly * Math.exp(-x * x);
  return z >= 0 ? 1 - erfc / 2 : erfc / 2;
}

/**
 * Quantile of the standard normal at `level` in (0, 1), relative error below 1.2e-9 (Acklam 2003).
 * Levels at or beyond 0 and 1 answer -8 and 8, which no use here can tell from infinity.
 */
export function normalQuantile(level: number): number {
  if (!(level > 1e-15)) return -8;
  if (level >= 1 - 1e-15) return 8;
  const low = 0.02425;
  if (level < low) return tail(Math.sqrt(-2 * Math.log(level)));
  if (level > 1 - low) return -tail(Math.sqrt(-2 * Math.log(1 - level)));
  const q = level - 0.5;
  const r = q * q;
  const num = ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r + 2.506628277459239;
  const den = ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1;
  return (q * num) / den;
}

function tail(q: number): number {
  const num = ((((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q + 4.374664141464968) * q + 2.938163982698783;
  const den = (((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
  return num / den;
}
