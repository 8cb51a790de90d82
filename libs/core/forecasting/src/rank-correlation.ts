import { normalQuantile } from './levels.js';

const KEEP_RATIO = 0.995;
/** So many products are needed before a correlation is told. */
const LEAST_MASS = 30;

/**
 * How the steps of a forecast hang together, learnt from the series itself: the correlation of the normal scores of the ranks
 * (PIT) of neighbouring steps within forecasts of the same lead. Errors of a random walk stay (near 1), those of noise do not (0).
 */
export class RankCorrelation {
  /** The tracked lead whose ranks are compared, steps: long enough to tell what stays from what does not. */
  static readonly LEAD = 16;
  private before = NaN;
  private products = 0;
  private squares = 0;
  private mass = 0;

  constructor(private readonly levels: readonly number[]) {}

  /** @returns correlation between neighbouring steps, 0..1; null while too little is known. */
  get value(): number | null {
    if (this.mass < LEAST_MASS || !(this.squares > 0)) return null;
    return Math.min(0.995, Math.max(0, this.products / this.squares));
  }

  learn(quantiles: Float32Array, at: number, value: number): void {
    const score = normalQuantile(this.rankOf(quantiles, at, value));
    if (!Number.isNaN(this.before)) {
      this.products = this.products * KEEP_RATIO + score * this.before;
      this.squares = this.squares * KEEP_RATIO + (score * score + this.before * this.before) / 2;
      this.mass = this.mass * KEEP_RATIO + 1;
    }
    this.before = score;
  }

  /** A step without a sample: what comes next is no neighbour of what was before. */
  skip(): void {
    this.before = NaN;
  }

  /** Level at which `value` lies, between half the lowest level and its mirror image. */
  private rankOf(quantiles: Float32Array, at: number, value: number): number {
    const { levels } = this;
    const last = levels.length - 1;
    if (value < quantiles[at]!) return levels[0]! / 2;
    if (value > quantiles[at + last]!) return (1 + levels[last]!) / 2;
    let first = 0;
    while (quantiles[at + first]! < value) first++;
    let end = first;
    while (end < last && quantiles[at + end + 1]! <= value) end++;
    if (quantiles[at + first] === value) return (levels[first]! + levels[end]!) / 2;
    const low = quantiles[at + first - 1]!;
    const share = (value - low) / (quantiles[at + first]! - low);
    return levels[first - 1]! + share * (levels[first]! - levels[first - 1]!);
  }
}
