/**
 * The predicted load of one device over the horizon, as sums that change in O(steps) when a thread comes or goes.
 *
 * Assumptions, since a forecast gives each thread's distribution at each step and not how they hang together:
 *  L1. At one step, demand is normal about the sum of the medians, with the deviation of the upper side. Between any two of
 *      its parts there is one correlation r: variance = (1 - r) Σσ² + r (Σσ)². With r = 0 they are independent (bursts
 *      cancel out), with 1 they burst together.
 *  L2. Between steps, errors hold on for `errorPersistenceMs`: within a block of that length the worst step stands for the
 *      block, blocks are independent. So risk = 1 - Π over blocks (1 - worst step).
 *  Rejected: the worst step alone (too low), independent steps (far too high), sampling (needs chance).
 */
import { NEGLIGIBLE_CORES, expectedExcess, tailAbove } from './normal.js';
import type { Demand, Grid } from './demand-path.js';

/** A thread that is thought to come (+1) or go (-1) at the start of step `fromStep`. */
export interface LoadChange {
  readonly demand: Demand;
  readonly sign: 1 | -1;
  readonly fromStep: number;
}

export class DeviceLoad {
  private readonly median: Float64Array;
  private readonly deviation: Float64Array;
  private readonly variance: Float64Array;
  private overloadKnown: number | undefined;

  constructor(
    readonly grid: Grid,
    /** Capacity at each step, cores. */
    readonly capacity: Float64Array,
    private readonly correlation: number,
    private readonly stepsPerBlock: number,
  ) {
    this.median = new Float64Array(grid.steps);
    this.deviation = new Float64Array(grid.steps);
    this.variance = new Float64Array(grid.steps);
  }

  apply(change: LoadChange): void {
    this.overloadKnown = undefined;
    const { demand, sign, fromStep } = change;
    for (let k = fromStep; k < this.grid.steps; k++) {
      const deviation = demand.deviation[k]!;
      this.median[k] = Math.max(0, this.median[k]! + sign * demand.median[k]!);
      this.deviation[k] = Math.max(0, this.deviation[k]! + sign * deviation);
      this.variance[k] = Math.max(0, this.variance[k]! + sign * deviation * deviation);
    }
  }

  medianAt(k: number, change?: LoadChange): number {
    const own = this.median[k]!;
    return change !== undefined && k >= change.fromStep ? Math.max(0, own + change.sign * change.demand.median[k]!) : own;
  }

  deviationAt(k: number, change?: LoadChange): number {
    let sum = this.deviation[k]!;
    let squares = this.variance[k]!;
    if (change !== undefined && k >= change.fromStep) {
      const d = change.demand.deviation[k]!;
      sum = Math.max(0, sum + change.sign * d);
      squares = Math.max(0, squares + change.sign * d * d);
    }
    return Math.sqrt((1 - this.correlation) * squares + this.correlation * sum * sum);
  }

  /** Demand that is passed with the probability that lies `deviations` above the median. */
  quantileAt(k: number, deviations: number, change?: LoadChange): number {
    return this.medianAt(k, change) + deviations * this.deviationAt(k, change);
  }

  /** Step at which the quantile first passes the capacity; -1 for never. */
  firstStepAbove(deviations: number, change?: LoadChange): number {
    for (let k = 0; k < this.grid.steps; k++) if (this.quantileAt(k, deviations, change) > this.capacity[k]! + NEGLIGIBLE_CORES) return k;
    return -1;
  }

  /** Probability that demand passes the capacity at some step from `fromStep` on, 0..1 (L2). */
  risk(change?: LoadChange, fromStep = 0): number {
    let spared = 1;
    let worst = 0;
    for (let k = fromStep; k < this.grid.steps; k++) {
      worst = Math.max(worst, tailAbove(this.medianAt(k, change), this.deviationAt(k, change), this.capacity[k]!));
      const blockEnds = (k + 1) % this.stepsPerBlock === 0 || k + 1 === this.grid.steps;
      if (!blockEnds) continue;
      spared *= 1 - worst;
      worst = 0;
    }
    return 1 - spared;
  }

  /** Expected demand above `ratio` × capacity over the horizon, core-seconds. */
  overload(change?: LoadChange, ratio = 1): number {
    const plain = change === undefined && ratio === 1;
    if (plain && this.overloadKnown !== undefined) return this.overloadKnown;
    let sum = 0;
    for (let k = 0; k < this.grid.steps; k++) {
      sum += expectedExcess(this.medianAt(k, change), this.deviationAt(k, change), this.capacity[k]! * ratio);
    }
    const total = (sum * this.grid.stepMs) / 1_000;
    if (plain) this.overloadKnown = total;
    return total;
  }

  /** Least capacity left at the quantile from `fromStep` on, cores; negative where it is passed. */
  headroom(deviations: number, change?: LoadChange, fromStep = 0): number {
    let least = Infinity;
    for (let k = fromStep; k < this.grid.steps; k++) least = Math.min(least, this.capacity[k]! - this.quantileAt(k, deviations, change));
    return least;
  }

  /** Highest share of capacity that median demand takes from `fromStep` on; ≥ 0, above 1 in overload. */
  peakRatio(change?: LoadChange, fromStep = 0): number {
    let most = 0;
    for (let k = fromStep; k < this.grid.steps; k++) {
      const median = this.medianAt(k, change);
      if (median > 0) most = Math.max(most, median / this.capacity[k]!);
    }
    return most;
  }
}
