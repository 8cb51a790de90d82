/** Samples the device and its threads, and sends the rows in columns. What was not read is absent, never zero. */
import type { Clock, DeviceId, DurationMs, ThreadId } from '@godwit/kernel';
import type { Absence, Collector, Reading } from '@godwit/telemetry';

import type { MetricColumn, SampleBatch, TraceBatch } from '@godwit/wire';
import type { CapacityEnforcer } from '@godwit/cgroup';
import { divide, type ThreadLoad } from './capacity.js';
import type { ThreadHost } from '@godwit/handover';

interface Previous {
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly heldSeconds: number;
  readonly polls: number;
  readonly arrived: number;
  readonly consumed: number;
  readonly outputs: number;
  readonly stateBytes: number;
}
type Row = { readonly atMs: number; readonly device: Reading; readonly threads: ReadonlyMap<ThreadId, Reading> };

export interface SamplerOptions {
  readonly device: DeviceId;
  readonly capacityCores: number;
  readonly memoryBytes: number;
  readonly collectors: Collector;
  /** The device's GPUs, FPGAs and ASICs. */
  readonly accelerators: Collector;
  readonly enforcer: CapacityEnforcer;
  readonly clock: Clock;
  readonly hosts: () => Iterable<ThreadHost>;
  readonly links: () => Reading;
  /** How far the shadows here are behind. */
  readonly shadows: () => Reading;
  readonly sendSamples: (batch: SampleBatch) => void;
  readonly sendTrace: (batch: TraceBatch) => void;
}

export class Sampler {
  private readonly previous = new Map<ThreadId, Previous>();
  private readonly traces = new Map<ThreadId, Readonly<Record<string, number>>>();
  private rows: Row[] = [];
  private sequence = 0;
  private tracedAtMs: number;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(private readonly options: SamplerOptions) {
    this.tracedAtMs = options.clock.nowMs();
  }

  start(periods: { readonly sampleMs: DurationMs; readonly publishMs: DurationMs }): void {
    this.timers.push(setInterval(() => this.sample(), periods.sampleMs), setInterval(() => this.publish(), periods.publishMs), setInterval(() => this.trace(), 1_000));
  }
  close(): void {
    this.timers.forEach(clearInterval);
    this.options.collectors.close();
    this.options.accelerators.close();
  }

  private sample(): void {
    const { clock, collectors, accelerators, enforcer, capacityCores, memoryBytes } = this.options;
    const device: Record<string, number> = {};
    collectors.collect(clock.monotonicMs(), device);
    accelerators.collect(clock.monotonicMs(), device);
    Object.assign(device, this.options.links(), this.options.shadows(), { 'cpu.capacity_cores': capacityCores, 'memory.capacity_bytes': memoryBytes });
    const threads = new Map<ThreadId, Reading>();
    const loads: ThreadLoad[] = [];
    for (const host of this.options.hosts()) {
      const reading = this.readThread(host, device['cpu.throttled_ratio']);
      if (!reading) continue;
      threads.set(host.spec.thread, reading);
      if (host.state === 'running') loads.push({ host, usedCores: reading['cpu.cores'] ?? 0, heldRatio: reading['cpu.throttled_ratio'] ?? 0 });
    }
    // Duty cycles hold the programs only: what the runners themselves need is the host's, not the device's.
    if (enforcer.kind === 'duty-cycle') device['cpu.cores'] = loads.reduce((sum, load) => sum + load.usedCores, 0);
    divide(enforcer, loads);
    this.rows.push({ atMs: clock.nowMs(), device, threads });
  }

  private readThread(host: ThreadHost, groupThrottledRatio: number | undefined): Reading | undefined {
    const { sample } = host;
    if (!sample || (host.state !== 'running' && host.state !== 'frozen')) return undefined;
    const inputs = host.inputs;
    const now: Previous = {
      atMs: this.options.clock.monotonicMs(), cpuSeconds: sample.cpuSeconds, heldSeconds: sample.heldSeconds, polls: sample.polls,
      arrived: inputs?.arrived ?? 0, consumed: inputs?.consumed ?? 0, outputs: host.outputs, stateBytes: sample.stateBytes,
    };
    const before = this.previous.get(host.spec.thread);
    this.previous.set(host.spec.thread, now);
    if (!before || now.atMs <= before.atMs || now.cpuSeconds < before.cpuSeconds) return undefined;
    const seconds = (now.atMs - before.atMs) / 1000;
    const oldest = inputs?.oldestMs;
    const held = (now.heldSeconds - before.heldSeconds) / seconds;
    const reading: Record<string, number> = {
      'cpu.cores': (now.cpuSeconds - before.cpuSeconds) / seconds,
      // In a control group all threads are held alike.
      'cpu.throttled_ratio': Math.min(1, this.options.enforcer.kind === 'duty-cycle' ? held : (groupThrottledRatio ?? held)),
      'memory.bytes': now.stateBytes,
      'input.records_per_second': (now.arrived - before.arrived) / seconds,
      'input.consumed_per_second': (now.consumed - before.consumed) / seconds,
      'input.backlog_records': host.backlogRecords,
      'input.lag_ms': oldest === undefined ? 0 : Math.max(0, this.options.clock.nowMs() - oldest),
      'output.records_per_second': (now.outputs - before.outputs) / seconds,
      'safepoint.polls_per_second': (now.polls - before.polls) / seconds,
    };
    const latency = host.latency.quantiles([0.5, 0.99]);
    const { dirty } = host.checkpoints;
    if (host.checkpointFreezeMs !== undefined) reading['checkpoint.freeze_ms'] = host.checkpointFreezeMs;
    if (dirty.bytesPerSecond !== undefined) reading['memory.dirty_bytes_per_second'] = dirty.bytesPerSecond;
    if (latency) {
      reading['latency.ms_p50'] = latency[0]!;
      reading['latency.ms_p99'] = latency[1]!;
    }
    return reading;
  }

  private publish(): void {
    const rows = this.rows.splice(0);
    if (rows.length === 0) return;
    const columns: MetricColumn[] = columnsOf('', rows.map((row) => row.device));
    const threads = new Set(rows.flatMap((row) => [...row.threads.keys()]));
    for (const thread of threads) columns.push(...columnsOf(thread, rows.map((row) => row.threads.get(thread) ?? {})));
    for (const host of this.options.hosts()) host.latency.clear();
    const absences: readonly Absence[] = this.sequence % 20 === 0 ? [...this.options.collectors.absences(), ...this.options.accelerators.absences()] : [];
    this.options.sendSamples({ device: this.options.device, sequence: this.sequence++, atMs: rows.map((row) => row.atMs), columns, absences });
  }

  /** Execution traces and data-flow edges, as differences since the last batch. */
  private trace(): void {
    const atMs = this.options.clock.nowMs();
    const threads: TraceBatch['threads'][number][] = [];
    const edges: TraceBatch['edges'][number][] = [];
    for (const host of this.options.hosts()) {
      const { thread } = host.spec;
      const counts = host.sample?.traces ?? {};
      const before = this.traces.get(thread) ?? {};
      const counters = Object.entries(counts).map(([name, count]) => ({ name, count: Math.max(0, count - (before[name] ?? 0)) })).filter(({ count }) => count > 0);
      this.traces.set(thread, counts);
      if (counters.length > 0) threads.push({ thread, counters });
      for (const [producer, flow] of host.inputs?.flows ?? []) edges.push({ producer, consumer: thread, records: flow.records, sizeBytes: flow.bytes });
      host.inputs?.flows.clear();
    }
    this.options.sendTrace({ device: this.options.device, atMs, spanMs: Math.max(1, atMs - this.tracedAtMs), threads, edges });
    this.tracedAtMs = atMs;
  }

  forget(thread: ThreadId): void {
    this.previous.delete(thread);
    this.traces.delete(thread);
  }
}

function columnsOf(thread: string, readings: readonly Reading[]): MetricColumn[] {
  const metrics = new Set(readings.flatMap((reading) => Object.keys(reading)));
  return [...metrics].map((metric) => ({ metric, thread, values: readings.map((reading) => reading[metric] ?? NaN) }));
}
