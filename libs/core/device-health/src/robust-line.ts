/** Middle of the values; NaN of none. Sorts a copy. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Deviations of a normal per median absolute deviation. */
const DEVIATIONS_PER_MAD = 1.4826;

export interface RobustLine {
  readonly slope: number;
  /** At x = 0. */
  readonly level: number;
  /** Deviation of the values around the line, as a normal's. */
  readonly residual: number;
  /** Σ (x - mean x)². */
  readonly spanSquares: number;
}

/** The median of the slopes of all pairs (Theil 1950, Sen 1968): up to 29 % of the values may be wrong. At least two distinct x. */
export function theilSen(x: readonly number[], y: readonly number[]): RobustLine {
  const slopes: number[] = [];
  for (let i = 0; i < x.length; i++) for (let j = i + 1; j < x.length; j++) if (x[j] !== x[i]) slopes.push((y[j]! - y[i]!) / (x[j]! - x[i]!));
  const slope = median(slopes);
  const level = median(y.map((value, i) => value - slope * x[i]!));
  const residual = DEVIATIONS_PER_MAD * median(y.map((value, i) => Math.abs(value - level - slope * x[i]!)));
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  return { slope, level, residual, spanSquares: x.reduce((sum, value) => sum + (value - mean) ** 2, 0) };
}
