import { median, theilSen } from './robust-line.js';

/** Readings kept, and the shortest time between two of them: two minutes' past at least. */
const KEPT = 48;
const APART_MS = 2_500;
/** Fewer readings are no trend. */
const LEAST_READINGS = 8;
/** What heats up approaches a balance: a trend goes on for about this long. */
const TREND_MS = 90_000;
/** Sensors tell whole degrees, some of them half ones. */
const SENSOR_CELSIUS = 0.5;
/** Share of the uncertainty of the fit that neighbouring readings share: independent ones would make it too sure. */
const DEPENDENCE = 3;

export interface MarginOutlook {
  /** Median of what is left now, degrees. */
  readonly leftCelsius: number;
  readonly celsiusPerSecond: number;
  /** What is expected to be left at the horizon, and its deviation. */
  readonly expectedCelsius: number;
  readonly deviationCelsius: number;
  /** Time until nothing is left at this slope; undefined where it does not shrink. */
  readonly criticalInMs?: number;
}

/** How many degrees are left until the critical point, as a robust line: one wrong reading, or five, must not bend it. */
export class MarginTrend {
  private readonly atMs = new Float64Array(KEPT);
  private readonly left = new Float64Array(KEPT);
  private count = 0;
  private next = 0;
  private newestMs = -Infinity;

  add(leftCelsius: number, atMs: number): void {
    // A clock that went back: what was before cannot be laid beside what comes.
    if (atMs < this.newestMs - APART_MS) this.count = this.next = 0;
    else if (atMs < this.newestMs + APART_MS) return;
    this.newestMs = atMs;
    this.atMs[this.next] = atMs;
    this.left[this.next] = leftCelsius;
    this.next = (this.next + 1) % KEPT;
    this.count = Math.min(KEPT, this.count + 1);
  }

  /** Undefined while there are too few readings, or when the newest is older than `mostAgeMs`. */
  outlook(nowMs: number, horizonMs: number, mostAgeMs: number): MarginOutlook | undefined {
    if (this.count < LEAST_READINGS || nowMs - this.newestMs > mostAgeMs) return undefined;
    const seconds = Array.from(this.atMs.subarray(0, this.count), (at) => (at - this.newestMs) / 1_000);
    const left = Array.from(this.left.subarray(0, this.count));
    const { slope, level, residual, spanSquares } = theilSen(seconds, left);
    const aheadS = (TREND_MS * (1 - Math.exp(-horizonMs / TREND_MS))) / 1_000;
    const noise = Math.max(SENSOR_CELSIUS, residual);
    const slopeDeviation = (DEPENDENCE * noise) / Math.sqrt(spanSquares);
    const newest = median(left.filter((_, i) => seconds[i]! > -5 * (APART_MS / 1_000)));
    const leftCelsius = Math.min(newest, Math.max(level, newest - 2 * noise));
    return {
      leftCelsius, celsiusPerSecond: slope, expectedCelsius: leftCelsius + slope * aheadS,
      deviationCelsius: Math.hypot(noise, slopeDeviation * aheadS),
      ...(slope < 0 ? { criticalInMs: Math.max(0, (-leftCelsius / slope) * 1_000) } : {}),
    };
  }
}
