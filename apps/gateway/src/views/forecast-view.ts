/** The newest forecast of every resource, by device and by thread. */
import { isRefusal, refuse, type DurationMs, type InstantMs, type Refusal } from '@godwit/kernel';
import { forecastCodec, type ForecastMessage } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';

export type ForecastKind = 'device' | 'thread';
/** A forecast without its quantiles: what a list has room for. */
export interface ForecastSummary {
  readonly resource: string;
  readonly unit: string;
  readonly issuedAtMs: InstantMs;
  readonly demandNow: number;
  readonly capacity?: number;
  /** Probability that demand passes capacity within the horizon, 0..1. */
  readonly riskRatio?: number;
  readonly overloadInMs?: DurationMs;
}

const MAX_IDS = 20_000;
const MAX_RESOURCES = 32;

export class ForecastView {
  private readonly byId = { device: new BoundedMap<string, BoundedMap<string, ForecastMessage>>(MAX_IDS), thread: new BoundedMap<string, BoundedMap<string, ForecastMessage>>(MAX_IDS) };

  /** @param subject `godwit.forecast.<kind>.<id>`. */
  take(subject: string, bytes: Uint8Array): Refusal | undefined {
    const [, , kind, id = ''] = subject.split('.');
    if (kind !== 'device' && kind !== 'thread') return refuse('invalid-field', `no forecasts are about ${JSON.stringify(kind)}`, 'kind');
    const forecast = forecastCodec.decode(bytes);
    if (isRefusal(forecast)) return forecast;
    if (forecast.id !== id) return refuse('invalid-field', `the subject names ${id}, the forecast ${forecast.id}`, 'id');
    const resources = this.byId[kind].get(id) ?? new BoundedMap<string, ForecastMessage>(MAX_RESOURCES);
    resources.set(forecast.resource, forecast);
    this.byId[kind].set(id, resources);
    return undefined;
  }

  /** By resource name. Empty when none has been issued since the gateway started. */
  of(kind: ForecastKind, id: string): ForecastMessage[] {
    return [...(this.byId[kind].get(id)?.values() ?? [])].sort((a, b) => (a.resource < b.resource ? -1 : 1));
  }

  summaries(kind: ForecastKind, id: string): ForecastSummary[] {
    return this.of(kind, id).map(({ resource, unit, issuedAtMs, demandNow, capacity, riskRatio, overloadInMs }) => ({
      resource, unit, issuedAtMs, demandNow,
      ...(capacity === undefined ? {} : { capacity }), ...(riskRatio === undefined ? {} : { riskRatio }), ...(overloadInMs === undefined ? {} : { overloadInMs }),
    }));
  }
}
