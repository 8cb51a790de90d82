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
  /** Of a device: probability that it fails within the horizon, 0..1. */
  readonly failureRatio?: number;
  /** Of a thread: the phase of its behaviour, by the site that dominates it. */
  readonly phase?: string;
}

const MAX_IDS = 20_000;
/** CPU demand, and as many others as a forecaster follows on one device. */
const MAX_RESOURCES = 65;

export class ForecastView {
  private readonly byId = { device: new BoundedMap<string, BoundedMap<string, ForecastMessage>>(MAX_IDS), thread: new BoundedMap<string, BoundedMap<string, ForecastMessage>>(MAX_IDS) };

  /** @param subject `godwit.forecast.<kind>.<id>`, and for another resource than CPU demand its name behind it. */
  take(subject: string, bytes: Uint8Array): Refusal | undefined {
    const [, , kind, id = '', ...resource] = subject.split('.');
    if (kind !== 'device' && kind !== 'thread') return refuse('invalid-field', `no forecasts are about ${JSON.stringify(kind)}`, 'kind');
    const forecast = forecastCodec.decode(bytes);
    if (isRefusal(forecast)) return forecast;
    if (forecast.id !== id) return refuse('invalid-field', `the subject names ${id}, the forecast ${forecast.id}`, 'id');
    if (resource.length > 0 && forecast.resource !== resource.join('.')) return refuse('invalid-field', `the subject names ${resource.join('.')}, the forecast ${forecast.resource}`, 'resource');
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
    return this.of(kind, id).map(({ resource, unit, issuedAtMs, demandNow, capacity, riskRatio, overloadInMs, failureRatio, phase }) => ({
      resource, unit, issuedAtMs, demandNow,
      ...(capacity === undefined ? {} : { capacity }), ...(riskRatio === undefined ? {} : { riskRatio }), ...(overloadInMs === undefined ? {} : { overloadInMs }),
      ...(failureRatio === undefined ? {} : { failureRatio }), ...(phase === undefined ? {} : { phase: phase.label }),
    }));
  }
}
