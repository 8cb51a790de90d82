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
  'temperature.margin_celsius': 'degrees left to the critical point of the sensor that is nearest to its own',
  'cpu.thermal_throttles_per_second': 'times per second that the processor slowed itself down for its temperature, all cores and packages',
  'errors.memory_corrected_per_second': 'memory errors that were corrected, per second (EDAC)',
  'errors.memory_uncorrected_per_second': 'memory errors that could not be corrected, per second (EDAC)',
  'errors.disk_per_second': 'failed commands of all disks that count them, per second',
  'errors.network_per_second': 'receive and transmit errors of all interfaces but loopback, per second',
  'power.watts': 'package power from RAPL, watts',
  'gpu.<n>.utilisation_ratio': 'share of time in which some kernel ran on GPU n, 0..1',
  'gpu.<n>.memory_bytes': 'memory of GPU n in use, bytes',
  'gpu.<n>.memory_capacity_bytes': 'memory of GPU n, bytes',
  'gpu.<n>.power_watts': 'power of GPU n, watts',
  'gpu.<n>.power_limit_watts': 'power that GPU n may draw, watts',
  'gpu.<n>.temperature_celsius': 'temperature of GPU n, degrees Celsius',
  'gpu.<n>.thermal_throttled_ratio': '1 while GPU n is slowed down for its temperature, else 0',
  'gpu.<n>.uncorrected_errors_per_second': 'ECC errors of GPU n that could not be corrected, per second',
  'fpga.<n>.operating_ratio': '1 while FPGA n is configured and operating, else 0',
  'fpga.<n>.temperature_celsius': 'hottest sensor of FPGA n, degrees Celsius',
  'fpga.<n>.power_watts': 'power of FPGA n, watts',
  'asic.<n>.utilisation_ratio': 'share of time in which accelerator n was busy, 0..1',
  'asic.<n>.memory_bytes': 'memory of accelerator n in use, bytes',
  'asic.<n>.temperature_celsius': 'hottest sensor of accelerator n, degrees Celsius',
  'asic.<n>.power_watts': 'power of accelerator n, watts',
  'link.<device>.latency_ms': 'round trip to another agent’s bulk door, milliseconds',
  'link.<device>.bytes_per_second': 'measured throughput to another agent, bytes per second',
  'shadow.<thread>.lag_ms': 'time since what the thread’s shadow on this device holds was known to be current, milliseconds',
} as const;

export const THREAD_METRICS = {
  'cpu.cores': 'CPU time that the thread’s program used per second of wall time, cores',
  'cpu.duty_ratio': 'share of time that the enforcement lets the program run, 0..1',
  'cpu.throttled_ratio': 'share of time that the program was held at safepoints by the duty cycle or its cgroup, 0..1',
  'memory.bytes': 'size of the thread’s own state, bytes',
  'memory.dirty_bytes_per_second': 'state bytes changed per second',
  'checkpoint.freeze_ms': 'how long the thread stood still for its last checkpoint, milliseconds',
  'input.records_per_second': 'journal records that arrived for the thread per second',
  'input.consumed_per_second': 'journal records that it consumed per second',
  'input.backlog_records': 'records in the journal that it has not consumed yet',
  'input.lag_ms': 'age of the oldest record not consumed yet, milliseconds',
  'output.records_per_second': 'output records appended per second',
  'latency.ms_p50': 'median time from an input’s journal stamp to its output’s acknowledgement, milliseconds',
  'latency.ms_p99': 'the 99th percentile of it',
  'safepoint.polls_per_second': 'safepoint polls reached per second',
  'trace.per_second': 'safepoint sites, functions and message kinds passed per second, all together; in the history',
  'trace.<site>': 'the same for one of the busiest of them, per second; in the history',
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
