/**
 * The controller's picture of the cluster: last samples, forecasts, leases and edges, bounded and with their age; made
 * into the immutable snapshot that a plan reads. Learns nothing and decides nothing.
 */
import { isRefusal, type DeviceId, type InstantMs, type ThreadId } from '@godwit/kernel';
import type { ClusterPicture, SnapshotInput, ThreadMemory } from '@godwit/handover';
import type { ClusterSnapshot, DemandPath, DeviceView, Link, MoveSample, PastMove, SettledCounts, ThreadView, Traffic } from '@godwit/decision';
import type { Registry, ThreadSpec } from '@godwit/registry';
import { decodeSamples, forecastCodec, graphCodec, type EdgeMessage, type ForecastMessage, type Lease } from '@godwit/wire';
import { withOffered } from './runtime-offers.js';

type Readings = Map<string, number>;
const MOVES_KEPT = 16;
/** An older forecast says nothing of a failure to come. */
const FAILURE_AGE_MS = 10_000;

export class ClusterView implements ClusterPicture {
  private readonly devices = new Map<DeviceId, Readings>();
  private readonly threads = new Map<ThreadId, Readings>();
  private readonly threadForecasts = new Map<string, ForecastMessage>();
  private readonly deviceForecasts = new Map<string, ForecastMessage>();
  private readonly memories = new Map<ThreadId, ThreadMemory>();
  private edges: readonly EdgeMessage[] = [];
  readonly leases = new Map<DeviceId, Lease>();
  readonly moveHistory: MoveSample[] = [];
  settled: SettledCounts = { helped: 0, useless: 0, harmful: 0 };
  /** Messages that were none. */
  malformed = 0;

  takeSamples(bytes: Uint8Array): void {
    const batch = decodeSamples(bytes);
    if (isRefusal(batch)) return void this.malformed++;
    for (const { thread, metric, values } of batch.columns) {
      const value = values.findLast((v) => !Number.isNaN(v));
      if (value === undefined) continue;
      const of: Map<string, Readings> = thread === '' ? (this.devices as Map<string, Readings>) : (this.threads as Map<string, Readings>);
      const id = thread === '' ? batch.device : thread;
      let readings = of.get(id);
      if (!readings) of.set(id, (readings = new Map()));
      readings.set(metric, value);
    }
  }
  takeForecast(kind: 'device' | 'thread', bytes: Uint8Array): void {
    const forecast = forecastCodec.decode(bytes);
    if (isRefusal(forecast)) return void this.malformed++;
    (kind === 'device' ? this.deviceForecasts : this.threadForecasts).set(forecast.id, forecast);
  }
  takeGraph(bytes: Uint8Array): void {
    const graph = graphCodec.decode(bytes);
    if (isRefusal(graph)) return void this.malformed++;
    this.edges = graph.edges;
  }

  memory(thread: ThreadId): ThreadMemory {
    let memory = this.memories.get(thread);
    if (!memory) this.memories.set(thread, (memory = { moves: [] }));
    return memory;
  }
  moved(thread: ThreadId, move: PastMove, sample: MoveSample): void {
    const memory = this.memory(thread);
    memory.moves = [...memory.moves, move].slice(-MOVES_KEPT);
    delete memory.throttledToCores;
    this.moveHistory.push(sample);
    if (this.moveHistory.length > 256) this.moveHistory.shift();
  }
  forget(thread: ThreadId): void {
    this.memories.delete(thread);
    this.threads.delete(thread);
    this.threadForecasts.delete(thread);
  }

  demandNow(thread: ThreadId): number | undefined {
    return this.threadForecasts.get(thread)?.demandNow;
  }
  deviceNow(device: DeviceId): { demandCores: number; capacityCores: number } | undefined {
    const forecast = this.deviceForecasts.get(device);
    return forecast?.capacity === undefined ? undefined : { demandCores: forecast.demandNow, capacityCores: forecast.capacity };
  }

  snapshot(input: SnapshotInput): ClusterSnapshot {
    const { nowMs, horizonMs, registry, movesInFlight } = input;
    const threads = [...registry.threads.values()].filter(input.plannable).map((spec) => this.threadView(spec, input));
    const devices = [...registry.devices.values()].map((spec) => this.deviceView(spec.device, registry, threads, nowMs));
    const traffic: Traffic[] = this.edges.map((e) => ({ a: e.producer, b: e.consumer, bytesPerSecond: e.bytesPerSecond }));
    return { nowMs, horizonMs, devices, threads, traffic, links: this.links(), moveHistory: this.moveHistory, movesInFlight, settled: this.settled };
  }

  private threadView(spec: ThreadSpec, input: SnapshotInput): ThreadView {
    const { registry, nowMs } = input;
    const readings = this.threads.get(spec.thread);
    const forecast = this.threadForecasts.get(spec.thread);
    const memory = this.memory(spec.thread);
    const device = input.deviceOf(spec.thread);
    const last = memory.moves.at(-1);
    const latency = readings?.get('latency.ms_p99');
    return {
      spec, goals: { ...registry.applications.get(spec.application)?.goals, ...spec.goals }, epoch: input.epochOf(spec.thread),
      ...(device ? { device } : {}),
      demand: forecast ? pathOf(forecast) : flatPath(spec.expectedCores, nowMs),
      demandNowCores: forecast?.demandNow ?? spec.expectedCores,
      ...(latency === undefined ? {} : { latencyMsP99: latency }),
      backlogRecords: readings?.get('input.backlog_records') ?? 0,
      stateBytes: readings?.get('memory.bytes') ?? spec.limits.memoryBytes,
      dirtyBytesPerSecond: readings?.get('memory.dirty_bytes_per_second') ?? 0,
      moving: input.movesInFlight.some((move) => move.thread === spec.thread),
      ...(last ? { lastMovedAtMs: last.atMs } : {}),
      movesInWindow: memory.moves.filter((move) => nowMs - move.atMs <= input.budgetWindowMs).length,
      lastMoves: memory.moves,
      ...(memory.throttledToCores === undefined ? {} : { throttledToCores: memory.throttledToCores }),
      ...(memory.lastThrottledAtMs === undefined ? {} : { lastThrottledAtMs: memory.lastThrottledAtMs }),
      ...(memory.lastKeptAtMs === undefined ? {} : { lastKeptAtMs: memory.lastKeptAtMs }),
    };
  }

  private deviceView(device: DeviceId, registry: Registry, threads: readonly ThreadView[], nowMs: InstantMs): DeviceView {
    const spec = withOffered(registry.devices.get(device)!, this.leases.get(device));
    const readings = this.devices.get(device);
    const usedCores = readings?.get('cpu.cores') ?? 0;
    const here = threads.filter((thread) => thread.device === device);
    const byThreads = here.reduce((sum, { spec: { thread } }) => sum + (this.threads.get(thread)?.get('cpu.cores') ?? 0), 0);
    return {
      spec, alive: this.leases.has(device), draining: false, usedCores,
      enforcedCores: readings?.get('cpu.capacity_cores') ?? spec.cpuCores,
      baseDemand: flatPath(Math.max(0, usedCores - byThreads), nowMs),
      memoryUsedBytes: here.reduce((sum, thread) => sum + thread.spec.limits.memoryBytes, 0),
      failureProbability: this.failureOf(device, nowMs),
      reservations: [...registry.reservations.values()].filter((r) => r.device === device),
      maintenance: [...registry.maintenance.values()].filter((m) => m.device === device),
    };
  }

  /** What the forecaster says of it; nothing new is nothing known. */
  private failureOf(device: DeviceId, nowMs: InstantMs): number {
    const forecast = this.deviceForecasts.get(device);
    return forecast?.failureRatio === undefined || nowMs - forecast.issuedAtMs > FAILURE_AGE_MS ? 0 : forecast.failureRatio;
  }

  private links(): Link[] {
    const links: Link[] = [];
    for (const [a, readings] of this.devices) {
      for (const b of this.devices.keys()) {
        const latencyMs = readings.get(`link.${b}.latency_ms`);
        const bytesPerSecond = readings.get(`link.${b}.bytes_per_second`);
        if (latencyMs !== undefined && bytesPerSecond !== undefined) links.push({ a, b, latencyMs, bytesPerSecond });
      }
    }
    return links;
  }
}

const flatPath = (cores: number, nowMs: InstantMs): DemandPath => ({ issuedAtMs: nowMs, stepMs: 1_000, p10: [cores], p50: [cores], p90: [cores] });

/** The columns nearest to 10, 50 and 90 % of a forecast. */
function pathOf(forecast: ForecastMessage): DemandPath {
  const { levels, values, issuedAtMs, stepMs } = forecast;
  const column = (level: number): number[] => {
    const at = levels.reduce((best, l, i) => (Math.abs(l - level) < Math.abs(levels[best]! - level) ? i : best), 0);
    return Array.from({ length: Math.floor(values.length / levels.length) }, (_, step) => values[step * levels.length + at]!);
  };
  return { issuedAtMs, stepMs, p10: column(0.1), p50: column(0.5), p90: column(0.9) };
}
