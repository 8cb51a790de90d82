/**
 * Samples in, forecasts out. Owns one series of demand per device and per thread; knows no broker.
 *
 * Invariants:
 *  P1. A thread's series is the thread's, whatever device it runs on. Its first step on another device is not learnt from:
 *      rates over the freeze say nothing about its demand.
 *  P2. Demand is computed for all threads, since a device's demand rests on those of its threads; series are kept and
 *      forecasts published only for what is in this instance's share.
 *  P3. Traces count for the step that is closed next; a thread that is on a device whose traces came, and not in them, counted nothing.
 *  P4. What was not seen for `FORGET_MS` is forgotten. At most `MAX_SERIES` are kept.
 */
import { DeviceHealth } from '@godwit/device-health';
import { isRefusal, refuse, type Clock, type DeviceId, type DurationMs, type InstantMs, type MonotonicMs, type ThreadId } from '@godwit/kernel';
import { DEMAND_LIMITS, deviceDemand, deviceLoadOf, freshThreadDemand, RiskThresholds, threadDemand, threadLoadOf, type ThreadDemandState } from '@godwit/forecasting';
import type { PerformanceAt } from '@godwit/performance';
import type { Registry } from '@godwit/registry';
import { Malformed, type Log } from '@godwit/shell';
import type { Reading } from '@godwit/telemetry';
import { decodeSamples, decodeTraces, SUBJECTS, type ForecastMessage, type History } from '@godwit/wire';
import { DemandSeries } from './demand-series.js';
import { knownLoads, type KnownLoads } from './known-loads.js';
import { ResourceSeries } from './resource-series.js';
import { RollUp, type Step } from './roll-up.js';
import { SeriesMaker } from './series-making.js';
import { isInShare, WHOLE, type Share } from './share.js';
import { ThreadMind, type Trace } from './thread-mind.js';

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

interface ThreadStep { readonly device: DeviceId; readonly track: DeviceTrack; readonly atMs: InstantMs; readonly reading: Reading; readonly trace: Trace | undefined }
/** Counters of one thread that are kept until its step; a device whose steps stop must not fill the memory. */
const MOST_COUNTERS = 8_192;

export const FORGET_MS: DurationMs = 30_000;
/** About a gibibyte of series. */
export const MAX_SERIES = 10_000;

interface Track {
  seenAtMs: MonotonicMs;
  /** Absent where it is in another instance's share. */
  readonly series: DemandSeries | undefined;
}
interface DeviceTrack extends Track {
  readonly rollUp: RollUp;
  capacityCores: number | undefined;
  usedCores: number;
  /** Traces since the last step, by thread, and the time in which they were counted; 0 when none came. */
  traces: Map<string, Trace['counters']>;
  tracedMs: DurationMs;
  /** Absent where it is in another instance's share. */
  readonly resources: ResourceSeries | undefined;
  readonly health: DeviceHealth | undefined;
  newest: ForecastMessage | undefined;
}
interface ThreadTrack extends Track {
  device: DeviceId;
  state: ThreadDemandState;
  usedCores: number;
  demandCores: number;
  stepAtMs: InstantMs;
  readonly mind: ThreadMind | undefined;
}
/** Other devices that a thread's performance is told for, beside its own. */
const OTHER_PLACES = 3;

export class Forecaster {
  readonly malformed: Malformed;
  private readonly devices = new Map<DeviceId, DeviceTrack>();
  private readonly threads = new Map<ThreadId, ThreadTrack>();
  private registry: Registry | undefined;
  private readonly share: Share;
  private readonly maker: SeriesMaker;
  /** What settled decisions taught; see `feedback.ts`. */
  readonly thresholds = new RiskThresholds();

  constructor(private readonly ports: ForecasterPorts, private readonly options: ForecasterOptions) {
    this.malformed = new Malformed(ports.log, ports.clock);
    this.share = options.share ?? WHOLE;
    this.maker = new SeriesMaker(options.horizonMs);
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
    if (!('state' in track)) return this.replayDevice(track, history);
    track.series?.replay(history, (row, demand) => track.mind?.replay(history, row, demand));
    track.device = history.device;
    track.stepAtMs = history.atMs.at(-1)!;
    track.demandCores = track.series?.demandNow ?? 0;
  }

  private replayDevice({ series, resources }: DeviceTrack, history: History): void {
    series?.replay(history);
    resources?.replay(history);
  }

  /** Execution traces of one device; they are counted into its next step. */
  takeTraces(subject: string, bytes: Uint8Array): void {
    const batch = decodeTraces(bytes);
    if (isRefusal(batch)) return this.malformed.note(subject, batch);
    if (subject !== SUBJECTS.trace(batch.device)) return this.malformed.note(subject, refuse('invalid-field', `the traces are those of ${batch.device}`, 'device'));
    const track = this.devices.get(batch.device);
    // A device that tells nothing of itself has no steps into which these could be counted.
    if (track === undefined) return;
    track.tracedMs += batch.spanMs;
    for (const { thread, counters } of batch.threads) {
      const before = track.traces.get(thread);
      track.traces.set(thread, before === undefined ? counters : added(before, counters));
    }
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
    track.capacityCores = step.device['cpu.capacity_cores'] ?? track.capacityCores;
    track.usedCores = step.device['cpu.cores'] ?? track.usedCores;
    for (const [thread, reading] of step.threads) {
      const trace = track.tracedMs > 0 ? { counters: track.traces.get(thread) ?? [], spanMs: track.tracedMs } : undefined;
      const demandCores = this.takeThread(thread, { device, track, atMs: step.atMs, reading, trace });
      const usageCores = reading['cpu.cores'];
      if (demandCores !== undefined && usageCores !== undefined) loads.push({ usageCores, demandCores });
    }
    track.tracedMs = 0;
    track.traces.clear();
    const load = deviceLoadOf(step.device);
    const demandCores = load && deviceDemand(load, loads).demandCores;
    const history = track.series?.observe({ atMs: step.atMs, device, reading: step.device, demandCores });
    track.resources?.observe(step.device, step.atMs);
    track.health?.observe(step.device, step.atMs);
    if (history) this.ports.publishHistory('device', history);
  }

  /** @returns the thread's demand as far as it is known, cores; undefined when the step is older than what another device told. */
  private takeThread(thread: ThreadId, step: ThreadStep): number | undefined {
    const { device, atMs, reading, trace } = step;
    const track = this.threadTrack(thread, device);
    if (!track) return undefined;
    const moved = track.device !== device;
    // Its old device may still tell of it for a moment.
    if (moved && atMs <= track.stepAtMs) return undefined;
    track.seenAtMs = this.ports.clock.monotonicMs();
    track.device = device;
    track.stepAtMs = atMs;
    track.usedCores = reading['cpu.cores'] ?? track.usedCores;
    const load = moved ? undefined : threadLoadOf(reading);
    if (load) {
      const maxCores = this.registry?.threads.get(thread)?.limits.cpuCores ?? DEMAND_LIMITS.maxCores;
      const demand = threadDemand(track.state, load, atMs, { ...DEMAND_LIMITS, maxCores });
      track.state = demand.state;
      track.demandCores = demand.demandCores;
    }
    const { series, mind } = track;
    if (!series || !mind) return track.demandCores;
    const demandCores = load && track.demandCores;
    const history = series.observe({ atMs, device, reading: { ...reading, ...mind.columns(trace) }, demandCores });
    mind.step(moved ? undefined : trace, demandCores);
    if (load) this.learnPerformance(mind, step);
    if (history) this.ports.publishHistory('thread', history);
    return track.demandCores;
  }

  private learnPerformance(mind: ThreadMind, { device, track: { capacityCores, usedCores }, reading }: ThreadStep): void {
    if (!(capacityCores! > 0)) return;
    mind.performed({
      device, kind: this.kindOf(device), utilisationRatio: usedCores / capacityCores!, usedCores: reading['cpu.cores'], consumedPerSecond: reading['input.consumed_per_second'],
      latencyMsP50: reading['latency.ms_p50'], latencyMsP99: reading['latency.ms_p99'],
    });
  }

  /** Devices of one kind are alike. */
  kindOf(device: DeviceId): string {
    return this.registry?.devices.get(device)?.kind ?? 'cpu';
  }
  /** Threads of one program are alike. */
  private typeOf(thread: ThreadId): string {
    const spec = this.registry?.threads.get(thread);
    return spec === undefined ? 'thread' : `thread ${spec.runtime} ${spec.program}`;
  }
  /** The newest forecast of a device of this instance. */
  newestOf(device: DeviceId): ForecastMessage | undefined {
    return this.devices.get(device)?.newest;
  }

  private deviceTrack(device: DeviceId): DeviceTrack | undefined {
    return this.present(this.devices, device, (own) => {
      const kind = this.kindOf(device);
      return {
        seenAtMs: this.ports.clock.monotonicMs(), series: own ? new DemandSeries(device, this.maker, { kindName: `device ${kind}` }) : undefined,
        rollUp: new RollUp(), capacityCores: undefined, usedCores: 0, traces: new Map(), tracedMs: 0, newest: undefined,
        resources: own ? new ResourceSeries(device, this.maker, kind) : undefined, health: own ? new DeviceHealth() : undefined,
      };
    });
  }
  private threadTrack(thread: ThreadId, device: DeviceId): ThreadTrack | undefined {
    return this.present(this.threads, thread, (own) => {
      const mind = own ? new ThreadMind(this.maker) : undefined;
      return {
        seenAtMs: this.ports.clock.monotonicMs(), series: mind && new DemandSeries(thread, this.maker, { kindName: this.typeOf(thread), beside: [mind.member.definition] }),
        device, state: freshThreadDemand, usedCores: 0, demandCores: 0, stepAtMs: -Infinity, mind,
      };
    });
  }

  private present<Id extends string, T extends Track>(tracks: Map<Id, T>, id: Id, make: (own: boolean) => T): T | undefined {
    const found = tracks.get(id);
    if (found) return found;
    if (this.devices.size + this.threads.size >= MAX_SERIES) {
      this.malformed.note(id, refuse('limit-exceeded', `${MAX_SERIES} devices and threads are forecast already`));
      return undefined;
    }
    const made = make(isInShare(this.share, id));
    tracks.set(id, made);
    return made;
  }

  /** Every series of this instance. */
  *series(): Generator<DemandSeries, void, void> {
    for (const tracks of [this.threads, this.devices]) for (const { series } of tracks.values()) if (series) yield series;
  }

  /** One round: forgets what is gone, then gives the forecasts of everything in the share; the caller may pause between two. */
  *round(): Generator<void, void, void> {
    this.forget(this.devices, 'device');
    this.forget(this.threads, 'thread');
    const nowMs = this.ports.clock.nowMs();
    const known = knownLoads(this.registry, nowMs, (thread) => this.threads.get(thread)?.device);
    for (const [thread, track] of this.threads) {
      if (!track.series) continue;
      this.publish('thread', this.threadForecast(thread, track, nowMs, known));
      yield;
    }
    for (const [device, track] of this.devices) {
      if (!track.series) continue;
      this.publish('device', (track.newest = this.deviceForecast(device, track, nowMs, known)));
      yield;
      for (const forecast of track.resources?.forecasts(nowMs) ?? []) {
        this.publish('device', forecast);
        yield;
      }
    }
  }

  private threadForecast(thread: ThreadId, { series, mind, device, usedCores, demandCores }: ThreadTrack, nowMs: InstantMs, known: KnownLoads): ForecastMessage | undefined {
    const forecast = series?.forecast(nowMs, known.ofThread.get(thread) ?? []);
    if (forecast === undefined || mind === undefined) return forecast;
    const { phase } = mind;
    const performance = mind.performanceAt(() => this.placesFor(thread, device, { usedCores, demandCores }));
    return { ...forecast, ...(phase === undefined ? {} : { phase }), ...(performance.length === 0 ? {} : { performance }) };
  }

  /** The thread's own device first, as it is; then some others, as they would be with it. */
  private placesFor(thread: ThreadId, home: DeviceId, { usedCores, demandCores }: { readonly usedCores: number; readonly demandCores: number }): PerformanceAt[] {
    const most = this.registry?.threads.get(thread)?.limits.cpuCores ?? DEMAND_LIMITS.maxCores;
    const places: PerformanceAt[] = [];
    for (const [device, { capacityCores, usedCores: inUse }] of [[home, this.devices.get(home)] as const, ...this.others(home)].flatMap(([id, track]) => (track ? [[id, track] as const] : []))) {
      if (!(capacityCores! > 0)) continue;
      const beside = device === home ? Math.max(0, inUse - usedCores) : inUse;
      places.push({ device, kind: this.kindOf(device), utilisationRatio: (beside + demandCores) / capacityCores!, availableCores: Math.min(most, Math.max(0, capacityCores! - beside)) });
    }
    return places;
  }
  private *others(home: DeviceId): Generator<readonly [DeviceId, DeviceTrack], void, void> {
    let left = OTHER_PLACES;
    for (const entry of this.devices) if (entry[0] !== home && left-- > 0) yield entry;
  }

  private deviceForecast(device: DeviceId, { series, health, capacityCores }: DeviceTrack, nowMs: InstantMs, known: KnownLoads): ForecastMessage | undefined {
    const forecast = series?.forecast(nowMs, known.ofDevice.get(device) ?? [], capacityCores ?? this.registry?.devices.get(device)?.cpuCores);
    if (forecast === undefined) return undefined;
    const failure = health?.assess(nowMs, this.options.horizonMs);
    return {
      ...forecast, riskThresholdRatio: this.thresholds.of(this.kindOf(device)),
      ...(failure === undefined ? {} : { failureRatio: Math.min(1, Math.max(0, failure.probability)) }),
      ...(failure === undefined || failure.causes.length === 0 ? {} : { failureCauses: failure.causes.map(({ cause, probability, detail }) => ({ cause, probabilityRatio: probability, detail })) }),
    };
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

/** The sum of two batches that fell into one step, by name. */
function added(before: Trace['counters'], counters: Trace['counters']): Trace['counters'] {
  const sums = new Map(before.map(({ name, count }) => [name, count]));
  for (const { name, count } of counters) if (sums.size < MOST_COUNTERS || sums.has(name)) sums.set(name, (sums.get(name) ?? 0) + count);
  return [...sums].map(([name, count]) => ({ name, count }));
}
