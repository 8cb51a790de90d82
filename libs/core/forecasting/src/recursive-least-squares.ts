/** Largest sum of the diagonal of P, relative to its start, at which forgetting still goes on. */
const WIND_UP_RATIO = 1e6;

/**
 * Linear regression, one observation at a time, that forgets (Ljung, System Identification, ch. 11). Fixed memory.
 * Guards: forgetting pauses while the inputs excite nothing (P would grow without bound), and a fit that is no longer finite
 * starts anew.
 */
export class RecursiveLeastSquares {
  readonly weights: Float64Array;
  private readonly p: Float64Array;
  private readonly gain: Float64Array;

  /** @param forgetting share of the past kept per observation, 0..1; @param ridge strength of the start at zero weights. */
  constructor(private readonly dimension: number, private readonly forgetting: number, private readonly ridge: number) {
    this.weights = new Float64Array(dimension);
    this.p = new Float64Array(dimension * dimension);
    this.gain = new Float64Array(dimension);
    this.restart();
  }

  predict(inputs: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < this.dimension; i++) sum += this.weights[i]! * inputs[i]!;
    return sum;
  }

  learn(inputs: Float64Array, target: number): void {
    const { dimension: d, p, gain } = this;
    let excitation = 0;
    for (let i = 0; i < d; i++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += p[i * d + j]! * inputs[j]!;
      gain[i] = sum;
      excitation += sum * inputs[i]!;
    }
    const keep = this.trace() < (WIND_UP_RATIO * d) / this.ridge ? this.forgetting : 1;
    const denominator = keep + excitation;
    const error = target - this.predict(inputs);
    let finite = denominator > 0;
    for (let i = 0; i < d; i++) {
      this.weights[i] = this.weights[i]! + (gain[i]! / denominator) * error;
      finite &&= Number.isFinite(this.weights[i]!);
      for (let j = 0; j <= i; j++) {
        const cell = (p[i * d + j]! - (gain[i]! * gain[j]!) / denominator) / keep;
        p[i * d + j] = cell;
        p[j * d + i] = cell;
      }
      finite &&= p[i * d + i]! > 0 && Number.isFinite(p[i * d + i]!);
    }
    if (!finite) this.restart();
  }

  private trace(): number {
    let sum = 0;
    for (let i = 0; i < this.dimension; i++) sum += this.p[i * this.dimension + i]!;
    return sum;
  }

  /** Forgets everything. */
  restart(): void {
    this.weights.fill(0);
    this.p.fill(0);
    for (let i = 0; i < this.dimension; i++) this.p[i * this.dimension + i] = 1 / this.ridge;
  }
}
