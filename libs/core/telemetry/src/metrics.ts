/**
 * The names of everything that is sampled. One list: collectors, wire, forecaster and views share it.
 * A value that a host cannot give is absent (never zero), with a reason: see `Absence`.
 */
export const DEVICE_METRICS = {
  'cpu.cores': 'CPU time used per second of wall time by the device’s scope, cores',
  'cpu.cores.<n>': 'the same for CPU n of the host, cores, 0..1',
  'cpu.capacity_cores': 'enforced or physical capacity, cores',
  'cpu.pressure_ratio': 'share of the last 10 s in which some task waited for CPU (PSI avg10), 0..1',
  'cpu.throttled_ratio': 'share of enforcement periods in which the scope was throttled, 0..1',
  'memory.bytes': 'resident memory of the scope, bytes',
  'memory.capacity_bytes': 'memory capacity, bytes',
  'memory.pressure_ratio': 'PSI memory some avg10, 0..1',
  'disk.read_bytes_per_second': 'bytes read from storage per second',
  'disk.write_bytes_per_second': 'bytes written to storage per second',
  'io.pressure_ratio': 'PSI io some avg10, 0..1',
  'network.receive_bytes_per_second': 'bytes received per second, all interfaces but loopback',
  'network.transmit_bytes_per_second': 'bytes sent per second, all interfaces but loopback',
  'temperature.celsius': 'hottest thermal zone, degrees Celsius',
  'power.watts': 'package power from RAPL, watts',
  'link.<device>.latency_ms': 'round trip to another agent’s bulk door, milliseconds',
  'link.<device>.bytes_per_second': 'measured throughput to another agent, bytes per second',
} as const;

export const THREAD_METRICS = {
  'cpu.cores': 'CPU time that the thread’s program used per second of wall time, cores',
  'cpu.duty_ratio': 'share of time that the enforcement lets the program run, 0..1',
  'cpu.throttled_ratio': 'share of time that the program was held at safepoints by the duty cycle or its cgroup, 0..1',
  'memory.bytes': 'size of the thread’s own state, bytes',
  'memory.dirty_bytes_per_second': 'state bytes changed per second',
  'input.records_per_second': 'journal records that arrived for the thread per second',
  'input.consumed_per_second': 'journal records that it consumed per second',
  'input.backlog_records': 'records in the journal that it has not consumed yet',
  'input.lag_ms': 'age of the oldest record not consumed yet, milliseconds',
  'output.records_per_second': 'output records appended per second',
  'latency.ms_p50': 'median time from an input’s journal stamp to its output’s acknowledgement, milliseconds',
  'latency.ms_p99': 'the 99th percentile of it',
  'safepoint.polls_per_second': 'safepoint polls reached per second',
} as const;

/** One reading: metric name to value. Only finite numbers; a missing key means "not read this time". */
export type Reading = Readonly<Record<string, number>>;

/** Why a metric cannot be had on this host. Reported once, and again when it changes. */
export interface Absence {
  readonly metric: string;
  readonly reason: string;
}

/**
 * The collector port: one source of readings. One file per collector, listed in one array per adapter.
 * `collect` must be cheap (kept-open files, no allocation worth naming) and never throws for what the host lacks:
 * it leaves the metric out and says why in `absences()`.
 */
export interface Collector {
  readonly name: string;
  /** @param monotonicMs the clock that never jumps, for rates: the first call after `open` gives no rates. */
  collect(monotonicMs: number, into: Record<string, number>): void;
  absences(): readonly Absence[];
  close(): void;
}
