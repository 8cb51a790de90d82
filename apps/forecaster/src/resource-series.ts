/**
 * The resources of a device beside CPU: memory, power, temperature, and those of its accelerators. Each metric that is read
 * becomes a series of its own, against its own capacity where one is told.
 */
import type { Series } from '@godwit/forecasting';
import type { InstantMs } from '@godwit/kernel';
import type { Reading } from '@godwit/telemetry';
import type { ForecastMessage, History } from '@godwit/wire';
import { forecastMessage } from './forecast-message.js';
import { STEP_MS } from './roll-up.js';
import type { SeriesMaker } from './series-making.js';

/** One machine has no more accelerators than that; what comes beyond is not forecast. */
const MOST_RESOURCES = 64;
/** A resource that was not read for so long is gone: a card taken out, a driver stopped. */
const FORGET_MS = 30_000;

interface ResourceKind {
  readonly pattern: RegExp;
  readonly unit: string;
  /** A number, or the metric that tells it. */
  readonly capacity?: number | ((metric: string) => string);
}
const sibling = (name: string) => (metric: string): string => metric.replace(/[^.]+$/, name);
/** In this order; the first that fits counts. */
const KINDS: readonly ResourceKind[] = [
  { pattern: /^memory\.bytes$/, unit: 'bytes', capacity: () => 'memory.capacity_bytes' },
  { pattern: /^temperature\.celsius$/, unit: 'celsius' },
  { pattern: /^power\.watts$/, unit: 'watts' },
  { pattern: /^(?:gpu|asic)\.\d+\.utilisation_ratio$/, unit: 'ratio', capacity: 1 },
  { pattern: /^gpu\.\d+\.memory_bytes$/, unit: 'bytes', capacity: sibling('memory_capacity_bytes') },
  { pattern: /^gpu\.\d+\.power_watts$/, unit: 'watts', capacity: sibling('power_limit_watts') },
  { pattern: /^asic\.\d+\.memory_bytes$/, unit: 'bytes' },
  { pattern: /^(?:fpga|asic)\.\d+\.power_watts$/, unit: 'watts' },
  { pattern: /^(?:gpu|fpga|asic)\.\d+\.temperature_celsius$/, unit: 'celsius' },
];
const kindOf = (metric: string): ResourceKind | undefined => KINDS.find(({ pattern }) => pattern.test(metric));

interface Resource {
  readonly kind: ResourceKind;
  readonly series: Series;
  now: number;
  seenAtMs: InstantMs;
}

export class ResourceSeries {
  private readonly resources = new Map<string, Resource>();
  /** Metrics that are none of these, so that each is looked at once. */
  private readonly others = new Set<string>();
  private newest: Reading = {};

  constructor(private readonly id: string, private readonly maker: SeriesMaker, private readonly deviceKind: string) {}

  get count(): number {
    return this.resources.size;
  }

  observe(reading: Reading, atMs: InstantMs): void {
    this.newest = reading;
    for (const [metric, value] of Object.entries(reading)) {
      const resource = this.resources.get(metric) ?? this.open(metric);
      if (resource === undefined || !resource.series.observe(value, atMs - STEP_MS / 2)) continue;
      resource.now = value;
      resource.seenAtMs = atMs;
    }
  }

  replay({ atMs, columns }: History): void {
    for (const [i, at] of atMs.entries()) {
      const reading: Record<string, number> = {};
      for (const { metric, values } of columns) if (Number.isFinite(values[i])) reading[metric] = values[i]!;
      this.observe(reading, at);
    }
  }

  /** One message per resource; what was not read for a while is forgotten. */
  *forecasts(nowMs: InstantMs): Generator<ForecastMessage, void, void> {
    for (const [metric, { kind, series, now, seenAtMs }] of this.resources) {
      if (nowMs - seenAtMs > FORGET_MS) {
        this.resources.delete(metric);
        continue;
      }
      const forecast = series.forecast(nowMs, this.maker.horizonMs, STEP_MS);
      const capacity = typeof kind.capacity === 'function' ? this.newest[kind.capacity(metric)] : kind.capacity;
      if (forecast) yield forecastMessage({ id: this.id, forecast, demandNow: now, observations: series.learntSteps, capacity });
    }
  }

  private open(metric: string): Resource | undefined {
    if (this.others.has(metric)) return undefined;
    const kind = this.resources.size < MOST_RESOURCES ? kindOf(metric) : undefined;
    if (kind === undefined) {
      if (this.others.size < 1_024) this.others.add(metric);
      return undefined;
    }
    // GPU 0 and GPU 1 are alike: the number is no part of the kind.
    const series = this.maker.make({ resource: metric, unit: kind.unit, kindName: `device ${this.deviceKind} ${metric.replace(/\.\d+\./, '.<n>.')}` });
    const resource = { kind, series, now: NaN, seenAtMs: -Infinity };
    this.resources.set(metric, resource);
    return resource;
  }
}
