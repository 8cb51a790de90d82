/**
 * Probability that a device fails within a horizon, from what its samples tell: degrees left until the critical temperature
 * and how fast they go, thermal throttling, error counters. Nothing told is no risk known, never a risk of zero by proof.
 *
 * 1. Temperature: a robust trend, carried to the horizon with its uncertainty; passing the critical point is a failure.
 * 2. Errors and throttling: hazards. An error makes a failure likelier for a while; the chance within the horizon is
 *    1 - exp(-hazard × horizon). The hazards are judgements of scale, not measurements (field studies give odds per month,
 *    Schroeder et al. 2009, Meza et al. 2015): an uncorrected memory error is taken for a failure within ten minutes or so,
 *    a corrected one for next to nothing unless they come in streams.
 */
import { normalCdf } from '@godwit/forecasting';
import type { DurationMs, InstantMs } from '@godwit/kernel';
import type { Reading } from '@godwit/telemetry';
import { MarginTrend } from './margin-trend.js';

export type FailureCause = 'temperature' | 'throttling' | 'memory-errors' | 'disk-errors' | 'network-errors' | 'accelerator-errors';

export interface FailureRisk {
  /** Within the horizon, 0..1. */
  readonly probability: number;
  /** What it comes from, the gravest first; causes below one in a thousand are left out. */
  readonly causes: readonly { readonly cause: FailureCause; readonly probability: number; readonly detail: string }[];
}

/** Passing the critical point is not always the end: firmware may hold the machine at it. */
const FAILS_WHEN_CRITICAL = 0.95;
/** Where the critical point is not told, it is taken to be here: what most processors shut down at. */
const ASSUMED_CRITICAL_CELSIUS = 100;
const MOST_AGE_MS = 15_000;
const NEGLIGIBLE = 1e-3;
const MOST_MARGIN_CELSIUS = 300;

/** One kind of event: how much each adds to the chance of a failure, and for how long. */
interface Hazard {
  readonly cause: FailureCause;
  readonly what: string;
  /** The metrics that count it: events per second. `<n>` stands for a number. */
  readonly metrics: readonly RegExp[];
  /** Hazard that one event adds, per second; it fades over `fadeMs`. */
  readonly perEvent: number;
  readonly fadeMs: DurationMs;
}
const HAZARDS: readonly Hazard[] = [
  { cause: 'memory-errors', what: 'uncorrected memory errors', metrics: [/^errors\.memory_uncorrected_per_second$/], perEvent: 1 / 600, fadeMs: 600_000 },
  { cause: 'memory-errors', what: 'corrected memory errors', metrics: [/^errors\.memory_corrected_per_second$/], perEvent: 1 / 500_000, fadeMs: 600_000 },
  { cause: 'disk-errors', what: 'disk errors', metrics: [/^errors\.disk_per_second$/], perEvent: 1 / 20_000, fadeMs: 600_000 },
  { cause: 'network-errors', what: 'network errors', metrics: [/^errors\.network_per_second$/], perEvent: 1 / 2_000_000, fadeMs: 120_000 },
  { cause: 'accelerator-errors', what: 'uncorrected errors of an accelerator', metrics: [/^gpu\.\d+\.uncorrected_errors_per_second$/], perEvent: 1 / 600, fadeMs: 600_000 },
  { cause: 'throttling', what: 'thermal throttling', metrics: [/^cpu\.thermal_throttles_per_second$/, /^gpu\.\d+\.thermal_throttled_ratio$/], perEvent: 1 / 200_000, fadeMs: 120_000 },
];
/** At most so many seconds are counted between two readings: a gap tells nothing of what was in it. */
const MOST_STEP_MS = 5_000;

export class DeviceHealth {
  private readonly margins = new Map<string, MarginTrend>();
  /** Events of late, faded, by hazard. */
  private readonly events = new Float64Array(HAZARDS.length);
  private newestMs: InstantMs | undefined;

  /** Takes the readings of one step. Those that are not finite, and steps out of order, are passed over. */
  observe(reading: Reading, atMs: InstantMs): void {
    if (!Number.isFinite(atMs)) return;
    const elapsedMs = this.newestMs === undefined ? 0 : atMs - this.newestMs;
    this.newestMs = atMs;
    // A clock that went back shows as negative time: nothing passed.
    const stepMs = Math.min(MOST_STEP_MS, Math.max(0, elapsedMs));
    HAZARDS.forEach(({ fadeMs }, i) => (this.events[i] = this.events[i]! * Math.exp(-Math.max(0, elapsedMs) / fadeMs)));
    for (const [metric, value] of Object.entries(reading)) {
      if (!Number.isFinite(value)) continue;
      HAZARDS.forEach(({ metrics }, i) => {
        if (value > 0 && metrics.some((pattern) => pattern.test(metric))) this.events[i] = this.events[i]! + (value * stepMs) / 1_000;
      });
    }
    this.observeMargins(reading, atMs);
  }

  private observeMargins(reading: Reading, atMs: InstantMs): void {
    const margin = reading['temperature.margin_celsius'];
    const temperature = reading['temperature.celsius'];
    if (margin !== undefined) this.addMargin('temperature', margin, atMs);
    else if (temperature !== undefined) this.addMargin('temperature', ASSUMED_CRITICAL_CELSIUS - temperature, atMs);
    for (const [metric, value] of Object.entries(reading)) {
      const accelerator = /^((?:gpu|fpga|asic)\.\d+)\.temperature_celsius$/.exec(metric)?.[1];
      if (accelerator !== undefined) this.addMargin(accelerator, ASSUMED_CRITICAL_CELSIUS - value, atMs);
    }
  }

  private addMargin(of: string, leftCelsius: number, atMs: InstantMs): void {
    if (!(Math.abs(leftCelsius) <= MOST_MARGIN_CELSIUS)) return;
    let trend = this.margins.get(of);
    if (trend === undefined) this.margins.set(of, (trend = new MarginTrend()));
    trend.add(leftCelsius, atMs);
  }

  assess(nowMs: InstantMs, horizonMs: DurationMs): FailureRisk {
    const causes = [...this.temperatures(nowMs, horizonMs), ...this.hazards(horizonMs)].filter(({ probability }) => probability >= NEGLIGIBLE);
    let spared = 1;
    for (const { probability } of causes) spared *= 1 - probability;
    return { probability: 1 - spared, causes: causes.sort((a, b) => b.probability - a.probability) };
  }

  private temperatures(nowMs: InstantMs, horizonMs: DurationMs): FailureRisk['causes'][number][] {
    return [...this.margins].flatMap(([of, trend]) => {
      const outlook = trend.outlook(nowMs, horizonMs, MOST_AGE_MS);
      if (outlook === undefined) return [];
      const { leftCelsius, celsiusPerSecond, expectedCelsius, deviationCelsius, criticalInMs } = outlook;
      const probability = FAILS_WHEN_CRITICAL * normalCdf(-Math.min(leftCelsius, expectedCelsius) / deviationCelsius);
      const rising = criticalInMs === undefined ? '' : `, rising ${(-60 * celsiusPerSecond).toFixed(1)} °C a minute, critical in ${Math.round(criticalInMs / 1_000)} s`;
      return [{ cause: 'temperature' as const, probability, detail: `${of}: ${leftCelsius.toFixed(1)} °C below critical${rising}` }];
    });
  }

  private hazards(horizonMs: DurationMs): FailureRisk['causes'][number][] {
    return HAZARDS.map(({ cause, what, perEvent }, i) => {
      const events = this.events[i]!;
      return { cause, probability: 1 - Math.exp((-events * perEvent * Math.max(0, horizonMs)) / 1_000), detail: `${what}: ${events < 10 ? events.toFixed(1) : Math.round(events)} of late` };
    });
  }
}
