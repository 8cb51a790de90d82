/**
 * A distribution given by a row of quantiles: linear between them, exponential beyond them. The scale of each tail is that of
 * the exponential through the two outermost quantiles; where these coincide, there is no tail.
 */
export interface QuantileRow {
  readonly levels: readonly number[];
  readonly values: Float64Array;
  /** Index of the row's first value. */
  readonly at: number;
}

const upperScale = ({ levels, values, at }: QuantileRow): number => {
  const last = levels.length - 1;
  if (last < 1) return 0;
  const decay = Math.log((1 - levels[last - 1]!) / (1 - levels[last]!));
  return (values[at + last]! - values[at + last - 1]!) / decay;
};

const lowerScale = ({ levels, values, at }: QuantileRow): number => {
  if (levels.length < 2) return 0;
  return (values[at + 1]! - values[at]!) / Math.log(levels[1]! / levels[0]!);
};

/** Probability that the value is above `threshold`, 0..1. A value that is certain to equal the threshold is not above it. */
export function probabilityAbove(row: QuantileRow, threshold: number): number {
  const { levels, values, at } = row;
  const last = levels.length - 1;
  if (threshold >= values[at + last]!) {
    const scale = upperScale(row);
    return scale > 0 ? (1 - levels[last]!) * Math.exp(-(threshold - values[at + last]!) / scale) : 0;
  }
  if (threshold < values[at]!) {
    const scale = lowerScale(row);
    return scale > 0 ? 1 - levels[0]! * Math.exp(-(values[at]! - threshold) / scale) : 1;
  }
  let j = 0;
  while (values[at + j + 1]! <= threshold) j++;
  const low = values[at + j]!;
  const share = (threshold - low) / (values[at + j + 1]! - low);
  return 1 - (levels[j]! + share * (levels[j + 1]! - levels[j]!));
}

/** Expected excess over `threshold`, E[max(0, value − threshold)], in the unit of the values: the integral of the probability above. */
export function expectedExcess(row: QuantileRow, threshold: number): number {
  const { levels, values, at } = row;
  const last = levels.length - 1;
  const top = values[at + last]!;
  const scale = upperScale(row);
  if (threshold >= top) return scale * probabilityAbove(row, threshold);
  let excess = scale * (1 - levels[last]!);
  for (let j = last; j > 0; j--) {
    const high = values[at + j]!;
    const low = values[at + j - 1]!;
    if (high <= threshold) return excess;
    const from = Math.max(low, threshold);
    const aboveFrom = low >= threshold ? 1 - levels[j - 1]! : probabilityAbove(row, threshold);
    excess += ((high - from) * (aboveFrom + 1 - levels[j]!)) / 2;
    if (from === threshold) return excess;
  }
  const bottom = values[at]!;
  const below = lowerScale(row);
  const depth = bottom - threshold;
  const tail = below > 0 ? depth - levels[0]! * below * (1 - Math.exp(-depth / below)) : depth;
  return excess + tail;
}
