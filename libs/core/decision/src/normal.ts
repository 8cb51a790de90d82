/** The normal distribution, as far as the risk of a sum of demands needs it. */
const ROOT_TWO_PI = Math.sqrt(2 * Math.PI);
/** Beyond this many deviations nothing is left that a decision could rest on. */
const REACH = 6;

export const normalDensity = (z: number): number => Math.exp(-0.5 * z * z) / ROOT_TWO_PI;

/** P(Z > z). Zelen and Severo 1964 (Abramowitz and Stegun 26.2.17); error below 7.5e-8. */
export function normalTail(z: number): number {
  if (z > REACH) return 0;
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return Math.min(0.5, normalDensity(z) * series);
}

/**
 * A millionth of a core: what sums of floating-point numbers leave behind is below it, no real demand is. Without it, demand
 * that just fills a capacity (as a throttle makes it) would count as past it by the rounding of the day.
 */
export const NEGLIGIBLE_CORES = 1e-6;

/** P(X > limit) for X of this median and deviation. */
export function tailAbove(median: number, deviation: number, limit: number): number {
  if (deviation <= NEGLIGIBLE_CORES) return median > limit + NEGLIGIBLE_CORES ? 1 : 0;
  return normalTail((limit - median) / deviation);
}

/** E[max(0, X - limit)], in the unit of X. */
export function expectedExcess(median: number, deviation: number, limit: number): number {
  if (deviation <= NEGLIGIBLE_CORES) return Math.max(0, median - limit);
  const z = (limit - median) / deviation;
  if (z > REACH) return 0;
  if (z < -REACH) return median - limit;
  return Math.max(0, deviation * normalDensity(z) + (median - limit) * normalTail(z));
}

/** Deviations above the median at which a share `quantile` lies below; 0.5 ≤ quantile < 1. By bisection on `normalTail`. */
export function deviationsAt(quantile: number): number {
  let low = 0;
  let high = REACH;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (1 - normalTail(middle) < quantile) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
