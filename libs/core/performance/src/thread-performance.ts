/**
 * How fast a thread will answer, and how much it can take, on a given device: from its history there, on devices of that kind,
 * and anywhere, in this order of trust.
 *
 * Latency is queueing-shaped: a queue with one server answers in proportion to 1 / (1 - u) at utilisation u, which is a line
 * of slope 1 between log latency and -log(1 - u). The slope is learnt (a thread that waits for a disk has less), and so is the
 * level. Past capacity no steady state exists: the curve stops at `MOST_UTILISATION`, and the backlog that builds up is for
 * the caller to add. Throughput is the cores to be had over the learnt cost of a record.
 */
import { PooledLine, type Basis } from './pooled-line.js';

export type PerformanceBasis = Basis;

/** What a thread did on a device within a step. Absent: not known. */
export interface PerformanceReading {
  readonly device: string;
  /** Devices of one kind are alike, such as `cpu`. */
  readonly kind: string;
  /** Of the device's CPU capacity, 0..1 and above where it is not enforced. */
  readonly utilisationRatio: number;
  readonly latencyMsP50?: number | undefined;
  readonly latencyMsP99?: number | undefined;
  readonly consumedPerSecond?: number | undefined;
  readonly usedCores?: number | undefined;
}

/** Where, and at which load, performance is asked for. */
export interface PerformanceAt {
  readonly device: string;
  readonly kind: string;
  /** Utilisation of the device with the thread on it. */
  readonly utilisationRatio: number;
  /** Cores that the thread could use there. */
  readonly availableCores: number;
}

export interface PredictedPerformance {
  readonly latencyMsP50?: number;
  readonly latencyMsP99?: number;
  /** Records per second that it can consume with the cores available. */
  readonly throughputPerSecond?: number;
  /** Where the prediction comes from: its history on this device, on devices of the kind, or on others only. */
  readonly basis: PerformanceBasis;
  /** Readings behind it, discounted: few of them mean little knowledge. */
  readonly readings: number;
}

const MOST_UTILISATION = 0.98;
/** A latency of nothing has no logarithm, and clocks tell no less than this. */
const LEAST_LATENCY_MS = 0.05;
const MOST_LATENCY_MS = 86_400_000;
/** Fewer records than this tell no cost; less CPU than this is rounding. */
const LEAST_RECORDS_PER_SECOND = 0.01;
const LEAST_CORES = 1e-6;

const busyness = (utilisationRatio: number): number => -Math.log(1 - Math.min(MOST_UTILISATION, Math.max(0, utilisationRatio)));

export class ThreadPerformance {
  private readonly median = new PooledLine(1);
  private readonly tail = new PooledLine(1);
  private readonly cost = new PooledLine(0);

  /** A reading without a finite utilisation is passed over, and so is each part that is not finite or not positive. */
  observe({ device, kind, utilisationRatio, latencyMsP50, latencyMsP99, consumedPerSecond, usedCores }: PerformanceReading): void {
    if (!Number.isFinite(utilisationRatio)) return;
    const x = busyness(utilisationRatio);
    if (isLatency(latencyMsP50)) this.median.learn(device, kind, x, logOf(latencyMsP50));
    if (isLatency(latencyMsP99)) this.tail.learn(device, kind, x, logOf(latencyMsP99));
    if (!(consumedPerSecond! > LEAST_RECORDS_PER_SECOND) || !(usedCores! > LEAST_CORES)) return;
    const costPerRecord = usedCores! / consumedPerSecond!;
    if (Number.isFinite(costPerRecord) && costPerRecord > 0) this.cost.learn(device, kind, x, Math.log(costPerRecord));
  }

  /** Undefined while nothing is known of the thread anywhere, or where utilisation is no number. */
  predict({ device, kind, utilisationRatio, availableCores }: PerformanceAt): PredictedPerformance | undefined {
    if (!Number.isFinite(utilisationRatio)) return undefined;
    const x = busyness(utilisationRatio);
    const [median, tail, cost] = [this.median, this.tail, this.cost].map((line) => line.predict(device, kind, x));
    const known = tail ?? median ?? cost;
    if (known === undefined) return undefined;
    const latencyMsP50 = median && Math.exp(median.y);
    return {
      ...(latencyMsP50 === undefined ? {} : { latencyMsP50 }),
      // Two lines may cross where little is known; quantiles may not.
      ...(tail === undefined ? {} : { latencyMsP99: Math.max(latencyMsP50 ?? 0, Math.exp(tail.y)) }),
      ...(cost === undefined || !(availableCores >= 0) ? {} : { throughputPerSecond: availableCores / Math.exp(cost.y) }),
      basis: known.basis, readings: known.readings,
    };
  }
}

const isLatency = (value: number | undefined): value is number => value !== undefined && value >= 0 && value <= MOST_LATENCY_MS;
const logOf = (latencyMs: number): number => Math.log(Math.max(LEAST_LATENCY_MS, latencyMs));
