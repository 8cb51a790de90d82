import { refuse, type Refusal } from '@godwit/kernel';
import type { ModelShare } from './combination.js';
import { stepsOf, type Forecast } from './forecast.js';

export interface SumOptions {
  /** What the sum is called, such as `cpu.demand_cores`. */
  readonly resource: string;
  /**
   * How the summands move together, 0..1: 1 (the default) as one, so that quantiles add up, which is the careful assumption;
   * 0 independently, so that their distances from the median add up as squares.
   */
  readonly correlation?: number;
}

/**
 * The forecast of a sum: a device's demand is its base plus its threads' demands. To judge a device without a thread, or with
 * one more, sum the parts that would be there; quantiles cannot be subtracted.
 *
 * The median is taken to be the sum of the medians, and each side's distance at each level d = √((1 − c) Σ dᵢ² + c (Σ dᵢ)²),
 * exact for jointly normal summands of equal pairwise correlation c.
 * Refuses no summands, other levels, steps or times of issue than the first one's, another unit, or a correlation outside 0..1.
 */
export function sumForecasts(parts: readonly Forecast[], options: SumOptions): Forecast | Refusal {
  const first = parts[0];
  if (first === undefined) return refuse('invalid-field', 'There is nothing to add up.', 'parts');
  const correlation = options.correlation ?? 1;
  if (!(correlation >= 0 && correlation <= 1)) {
    return refuse('invalid-field', 'The correlation is not between 0 and 1.', 'correlation');
  }
  const misfit = parts.findIndex((part) => !sameGrid(part, first));
  if (misfit >= 0) {
    return refuse('invalid-field', 'The forecast has another unit, time of issue, step, length or levels than the first.', `parts[${misfit}]`);
  }
  const values = new Float64Array(first.values.length);
  const width = first.levels.length;
  const row = new Float64Array(width);
  for (let k = 0; k < stepsOf(first); k++) {
    addRow(parts, k * width, correlation, row);
    values.set(row, k * width);
  }
  const { correlationMs: _, ...common } = first;
  return {
    ...common, resource: options.resource, values, models: meanShares(parts), pinballLoss: summedLoss(parts),
    drift: parts.some(({ drift }) => drift), ...longestCorrelation(parts),
  };
}

/** The sum hangs together as long as its slowest part, which is the careful assumption; unknown where a part's is. */
function longestCorrelation(parts: readonly Forecast[]): { readonly correlationMs?: number } {
  let longest = 0;
  for (const { correlationMs } of parts) {
    if (correlationMs === undefined) return {};
    longest = Math.max(longest, correlationMs);
  }
  return { correlationMs: longest };
}

function sameGrid(a: Forecast, b: Forecast): boolean {
  return (
    a.unit === b.unit && a.issuedAtMs === b.issuedAtMs && a.stepMs === b.stepMs && a.values.length === b.values.length &&
    a.levels.length === b.levels.length && a.levels.every((level, j) => level === b.levels[j])
  );
}

function addRow(parts: readonly Forecast[], at: number, correlation: number, row: Float64Array): void {
  const { levels } = parts[0]!;
  let median = 0;
  for (const part of parts) median += medianOf(part, at);
  for (let j = 0; j < row.length; j++) {
    let sum = 0;
    let squares = 0;
    for (const part of parts) {
      const distance = part.values[at + j]! - medianOf(part, at);
      sum += distance;
      squares += distance * distance;
    }
    const size = correlation === 1 ? Math.abs(sum) : Math.sqrt((1 - correlation) * squares + correlation * sum * sum);
    row[j] = median + (levels[j]! < 0.5 ? -size : size);
  }
  // Rounding of squares may let neighbours cross by the last digit.
  for (let j = 1; j < row.length; j++) if (row[j]! < row[j - 1]!) row[j] = row[j - 1]!;
}

/** The value at level 0.5, or between the two levels around it. */
function medianOf({ levels, values }: Forecast, at: number): number {
  let j = 0;
  while (j < levels.length - 1 && levels[j + 1]! <= 0.5) j++;
  const low = values[at + j]!;
  if (j === levels.length - 1 || levels[j]! >= 0.5) return low;
  return low + ((0.5 - levels[j]!) / (levels[j + 1]! - levels[j]!)) * (values[at + j + 1]! - low);
}

function meanShares(parts: readonly Forecast[]): readonly ModelShare[] {
  const byName = new Map<string, { weight: number; loss: number | null }>();
  for (const part of parts) {
    for (const { name, weight, pinballLoss } of part.models) {
      const share = byName.get(name) ?? { weight: 0, loss: 0 };
      share.weight += weight / parts.length;
      share.loss = share.loss === null || pinballLoss === null ? null : share.loss + pinballLoss;
      byName.set(name, share);
    }
  }
  return [...byName]
    .map(([name, { weight, loss }]) => ({ name, weight, pinballLoss: loss }))
    .sort((a, b) => b.weight - a.weight);
}

/** Losses add up at worst: an upper bound of the sum's own loss. */
function summedLoss(parts: readonly Forecast[]): number | null {
  let sum = 0;
  for (const { pinballLoss } of parts) {
    if (pinballLoss === null) return null;
    sum += pinballLoss;
  }
  return sum;
}
