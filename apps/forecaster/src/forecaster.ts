/**
 * Samples in, forecasts out. Owns one series of demand per device and per thread; knows no broker.
 *
 * Invariants:
 *  P1. A thread's series is the thread's, whatever device it runs on. Its first step on another device is not learnt from:
 *      rates over the freeze say nothing about its demand.
 *  P2. Demand is computed for all threads, since a device's demand rests on those of its threads; series are kept and
 *      forecasts published only for what is in this instance's share.
 *  P3. What was not seen for `FORGET_MS` is forgotten. At most `MAX_SERIES` are kept.
 */
import { isRefusal, refuse, type Clock, type DeviceId, type DurationMs, type InstantMs, type MonotonicMs, type ThreadId } from '@godwit/kernel';
import { DEMAND_LIMITS, deviceDemand, deviceLoadOf, freshThreadDemand, threadDemand, threadLoadOf, type ThreadDemandState } from '@godwit/forecasting';
import type { Registry } from '@godwit/registry';
import { Malformed, type Log } from '@godwit/shell';
import type { Reading } from '@godwit/telemetry';
import { decodeSamples, SUBJECTS, type ForecastMessage, type History } from '@godwit/wire';
import { DemandSeries } from './demand-series.js';
import { knownLoads, type KnownLoads } from './known-loads.js';
import { RollUp, type Step } from './roll-up.js';
import { isInShare, WHOLE, type Share } from './share.js';

export type Kind = 'device' | 'thread';

export interface ForecasterPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly publishForecast: (kind: Kind, forecast: ForecastMessage) => void;
  readonly publishHistory: (kind: Kind, history: History) => void;
}

export interface ForecasterOptions {
  readonly horizonMs: DurationMs;
  readonly share?: Share;
}

export const FORGET_MS: DurationMs = 30_000;
/** About a gibibyte of series. */
export const MAX_SERIES = 10_000;

interface Track {
  seenAtMs: MonotonicMs;
  /** Absent where it is in another instance's share. */
  readonly series: DemandSeries | undefined;
}
interface DeviceTrack extends Track { readonly rollUp: RollUp; capacityCores: number | undefined }
interface ThreadTrack extends Track { device: DeviceId; state: ThreadDemandState; demandCores: number; stepAtMs: InstantMs }

export class Forecaster {
  readonly malformed: Malformed;
  private readonly devices = new Map<DeviceId, DeviceTrack>();
  private readonly threads = new Map<ThreadId, ThreadTrack>();
  private registry: Registry | undefined;
  private readonly share: Share;

  constructor(private readonly ports: ForecasterPorts, private readonly options: ForecasterOptions) {
    this.malformed = new Malformed(ports.log, ports.clock);
    this.share = options.share ?? WHOLE;
  }

  get tracked(): Readonly<Record<Kind, number>> {
    return { device: this.devices.size, thread: this.threads.size };
  }
  /** Age of the oldest newest sample of any device, ms; 0 when there are none. */
  get oldestSampleMs(): DurationMs {
    return this.devices.size === 0 ? 0 : this.ports.clock.monotonicMs() - Math.min(...[...this.devices.values()].map(({ seenAtMs }) => seenAtMs));
  }

  takeRegistry(registry: Registry): void {
    this.registry = registry;
  }

  /** Rebuilds from the history stream, oldest first, before the first samples. What does not appear again is forgotten as ever. */
  replay(kind: Kind, history: History): void {
    if (!isInShare(this.share, history.id)) return;
    const track = kind === 'device' ? this.deviceTrack(history.id as DeviceId) : this.threadTrack(history.id as ThreadId, history.device);
    if (!track) return;
    track.series?.replay(history);
    if (!('state' in track)) return;
    track.device = history.device;
    track.stepAtMs = history.atMs.at(-1)!;
    track.demandCores = track.series?.demandNow ?? 0;
  }

  takeSamples(subject: string, bytes: Uint8Array): void {
    const batch = decodeSamples(bytes);
    if (isRefusal(batch)) return this.malformed.note(subject, batch);
    if (subject !== SUBJECTS.metrics(batch.device)) {
      return this.malformed.note(subject, refuse('invalid-field', `the samples are those of ${batch.device}`, 'device'));
    }
    const track = this.deviceTrack(batch.device);
    if (!track) return;
    track.seenAtMs = this.ports.clock.monotonicMs();
    for (const step of track.rollUp.take(batch, this.ports.clock.nowMs())) this.takeStep(batch.device, track, step);
  }

  private takeStep(device: DeviceId, track: DeviceTrack, step: Step): void {
    const loads: { usageCores: number; demandCores: number }[] = [];
    for (const [thread, reading] of step.threads) {
      const demandCores = this.takeThread(thread, device, step.atMs, reading);
      const usageCores = reading['cpu.cores'];
      if (demandCores !== undefined && usageCores !== undefined) loads.push({ usageCores, demandCores });
    }
    track.capacityCores = step.device['cpu.capacity_cores'] ?? track.capacityCores;
    const load = deviceLoadOf(step.device);
    const demandCores = load && deviceDemand(load, loads).demandCores;
    const history = track.series?.observe({ atMs: step.atMs, device, reading: step.device, demandCores });
    if (history) this.ports.publishHistory('device', history);
  }

  /** @returns the thread's demand as far as it is known, cores; undefined when the step is older than what another device told. */
  private takeThread(thread: ThreadId, device: DeviceId, atMs: InstantMs, reading: Reading): number | undefined {
    const track = this.threadTrack(thread, device);
    if (!track) return undefined;
    const moved = track.device !== device;
    // Its old device may still tell of it for a moment.
    if (moved && atMs <= track.stepAtMs) return undefined;
    track.seenAtMs = this.ports.clock.monotonicMs();
    track.device = device;
    track.stepAtMs = atMs;
    const load = moved ? undefined : threadLoadOf(reading);
    if (load) {
      const maxCores = this.registry?.threads.get(thread)?.limits.cpuCores ?? DEMAND_LIMITS.maxCores;
      const demand = threadDemand(track.state, load, atMs, { ...DEMAND_LIMITS, maxCores });
      track.state = demand.state;
      track.demandCores = demand.demandCores;
    }
    const history = track.series?.observe({ atMs, device, reading, demandCores: load && track.demandCores });
    if (history) this.ports.publishHistory('thread', history);
    return track.demandCores;
  }

  private deviceTrack(device: DeviceId): DeviceTrack | undefined {
    return this.present(this.devices, device, (base) => ({ ...base, rollUp: new RollUp(), capacityCores: undefined }));
  }
  private threadTrack(thread: ThreadId, device: DeviceId): ThreadTrack | undefined {
    return this.present(this.threads, thread, (base) => ({ ...base, device, state: freshThreadDemand, demandCores: 0, stepAtMs: -Infinity }));
  }

  private present<Id extends string, T extends Track>(tracks: Map<Id, T>, id: Id, make: (base: Track) => T): T | undefined {
    const found = tracks.get(id);
    if (found) return found;
    if (this.devices.size + this.threads.size >= MAX_SERIES) {
      this.malformed.note(id, refuse('limit-exceeded', `${MAX_SERIES} devices and threads are forecast already`));
      return undefined;
    }
    const series = isInShare(this.share, id) ? new DemandSeries(id, this.options.horizonMs) : undefined;
    const made = make({ seenAtMs: this.ports.clock.monotonicMs(), series });
    tracks.set(id, made);
    return made;
  }

  /** One round: forgets what is gone, then gives the forecasts of everything in the share; the caller may pause between two. */
  *round(): Generator<void, void, void> {
    this.forget(this.devices, 'device');
    this.forget(this.threads, 'thread');
    const nowMs = this.ports.clock.nowMs();
    const known = knownLoads(this.registry, nowMs, (thread) => this.threads.get(thread)?.device);
    for (const [thread, { series }] of this.threads) {
      if (!series) continue;
      this.publish('thread', series.forecast(nowMs, known.ofThread.get(thread) ?? []));
      yield;
    }
    for (const [device, track] of this.devices) {
      if (!track.series) continue;
      this.publish('device', this.deviceForecast(device, track, nowMs, known));
      yield;
    }
  }

  private deviceForecast(device: DeviceId, { series, capacityCores }: DeviceTrack, nowMs: InstantMs, known: KnownLoads): ForecastMessage | undefined {
    return series?.forecast(nowMs, known.ofDevice.get(device) ?? [], capacityCores ?? this.registry?.devices.get(device)?.cpuCores);
  }

  private publish(kind: Kind, forecast: ForecastMessage | undefined): void {
    if (forecast) this.ports.publishForecast(kind, forecast);
  }

  private forget<Id, T extends Track>(tracks: Map<Id, T>, kind: Kind): void {
    const goneBeforeMs = this.ports.clock.monotonicMs() - FORGET_MS;
    for (const [id, { seenAtMs, series }] of tracks) {
      if (seenAtMs >= goneBeforeMs) continue;
      tracks.delete(id);
      this.tellHistory(kind, series);
    }
  }

  /** Publishes what waits to become history: at the end of the process. */
  flush(): void {
    for (const { series } of this.devices.values()) this.tellHistory('device', series);
    for (const { series } of this.threads.values()) this.tellHistory('thread', series);
  }

  private tellHistory(kind: Kind, series: DemandSeries | undefined): void {
    const history = series?.takeHistory();
    if (history) this.ports.publishHistory(kind, history);
  }
}
