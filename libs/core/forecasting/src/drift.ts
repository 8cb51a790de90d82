/** Loss that is this share above the usual one is not yet drift. */
const ALLOWANCE = 0.5;
/** Sum of excess, in usual losses, that is drift. */
const ALARM = 14;
/** One loss counts as at most so many usual ones: a single burst is no drift. */
const MOST_EXCESS = 4;
const USUAL_FOLLOW = 0.005;
/** Steps for which a drift is told. */
const TOLD_STEPS = 60;
const LEAST_STEPS = 40;

/**
 * Page and Hinkley's test on the loss of a series' forecasts over its usual loss: rises when the series no longer behaves as
 * learnt. Scale-free, two numbers of memory.
 */
export class DriftDetector {
  private usual = 0;
  private excess = 0;
  private steps = 0;
  private since = Infinity;

  /** One settled step; answers whether a drift begins here. @param loss ≥ 0, in any unit. */
  update(loss: number): boolean {
    this.steps++;
    this.since++;
    const ratio = this.usual > 0 ? Math.min(MOST_EXCESS, loss / this.usual) : 1;
    this.usual += (Math.min(loss, this.steps < LEAST_STEPS ? Infinity : MOST_EXCESS * this.usual || loss) - this.usual) * Math.max(USUAL_FOLLOW, 1 / this.steps);
    if (this.steps < LEAST_STEPS) return false;
    this.excess = Math.max(0, this.excess + ratio - 1 - ALLOWANCE);
    if (this.excess <= ALARM) return false;
    this.excess = 0;
    this.since = 0;
    // What is usual from now on is learnt anew, and quickly.
    this.steps = 0;
    this.usual = loss;
    return true;
  }

  /** Whether a drift began within the last minute of steps. */
  get drifting(): boolean {
    return this.since < TOLD_STEPS;
  }
}
