/** The service's own Prometheus metrics. Labels are devices and models, never threads: those are without bound. */
import type { DurationMs } from '@godwit/kernel';
import { DEMAND_METRIC, type ForecastMessage } from '@godwit/wire';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Forecaster, Kind } from './forecaster.js';

export class Measures {
  private readonly duration: Histogram;
  private readonly saturation: Gauge;
  private readonly error: Gauge;
  private losses = new Map<string, { loss: number; demand: number }>();
  private readonly seen = new Map<string, { device: string; resource: string; round: number }>();
  private roundNumber = 0;

  constructor(register: Registry, forecaster: Forecaster, private readonly horizonMs: DurationMs) {
    const registers = [register];
    this.duration = new Histogram({ name: 'godwit_forecast_duration_seconds', help: 'Time that one round of all forecasts took.', registers, buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1] });
    this.saturation = new Gauge({ name: 'godwit_device_time_to_saturation_seconds', help: 'Median time until demand passes capacity; +Inf when it is not expected to.', labelNames: ['device', 'resource'], registers });
    this.error = new Gauge({ name: 'godwit_forecast_error_ratio', help: 'Recent pinball loss over demand, over all series.', labelNames: ['resource', 'horizon', 'model'], registers });
    new Gauge({ name: 'godwit_forecast_age_seconds', help: 'Age of the newest samples of the device that is furthest behind.', registers, collect() { this.set(forecaster.oldestSampleMs / 1_000); } });
    new Gauge({
      name: 'godwit_forecast_series', help: 'Series that are forecast.', labelNames: ['kind'], registers,
      collect() { for (const [kind, count] of Object.entries(forecaster.tracked)) this.set({ kind }, count); },
    });
    new Counter({
      name: 'godwit_forecast_malformed_messages_total', help: 'Sample batches that were refused.', registers,
      collect() { this.reset(); this.inc(forecaster.malformed.count); },
    });
  }

  forecast(kind: Kind, { id, resource, models, demandNow, overloadInMs, capacity }: ForecastMessage): void {
    // Losses of other units cannot be laid beside these.
    if (resource === DEMAND_METRIC) for (const { model, pinballLoss } of models) {
      const sum = this.losses.get(model) ?? { loss: 0, demand: 0 };
      this.losses.set(model, { loss: sum.loss + pinballLoss, demand: sum.demand + demandNow });
    }
    if (kind !== 'device' || capacity === undefined) return;
    this.seen.set(`${id} ${resource}`, { device: id, resource, round: this.roundNumber });
    this.saturation.set({ device: id, resource }, overloadInMs === undefined ? Infinity : overloadInMs / 1_000);
  }

  round(resource: string, busyMs: DurationMs): void {
    this.duration.observe(busyMs / 1_000);
    for (const [model, { loss, demand }] of this.losses) if (demand > 0) this.error.set({ resource, horizon: `${this.horizonMs / 1_000}s`, model }, loss / demand);
    this.losses = new Map();
    for (const [key, { device, resource: of, round }] of this.seen) {
      if (round === this.roundNumber) continue;
      this.seen.delete(key);
      this.saturation.remove({ device, resource: of });
    }
    this.roundNumber++;
  }
}
