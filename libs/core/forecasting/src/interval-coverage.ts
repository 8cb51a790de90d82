import type { QuantileRow } from './distribution.js';

/**
 * How much of `value` lies inside the interval between two levels (indices into the row), 0..1: all or nothing where it differs
 * from every quantile; where it equals some, it stands for the levels from the first to the last of them (from 0 or to 1 where
 * that is an end of the row), and the part of those inside counts.
 */
export function shareWithin({ levels, values, at }: QuantileRow, value: number, [lower, upper]: readonly [number, number]): number {
  if (value < values[at + lower]! || value > values[at + upper]!) return 0;
  if (value > values[at + lower]! && value < values[at + upper]!) return 1;
  const last = levels.length - 1;
  let first = lower;
  while (first > 0 && values[at + first - 1]! >= value) first--;
  while (values[at + first]! < value) first++;
  let end = first;
  while (end < last && values[at + end + 1]! <= value) end++;
  const from = first === 0 ? 0 : levels[first]!;
  const to = end === last ? 1 : levels[end]!;
  if (to <= from) return 0.5;
  return Math.max(0, Math.min(to, levels[upper]!) - Math.max(from, levels[lower]!)) / (to - from);
}
