/** For the specs: a clock that is set by hand, and batches as agents send them. */
import { deviceId, threadId, type Clock } from '@godwit/kernel';
import { encodeSamples, SUBJECTS, type MetricColumn } from '@godwit/wire';
import type { Forecaster } from './forecaster.js';

export class HandClock implements Clock {
  constructor(public atMs = 1_000_000_000_000) {}
  nowMs(): number { return this.atMs; }
  monotonicMs(): number { return this.atMs - 999_999_000_000; }
}

/** Readings by thread; '' for the device itself. */
export type Readings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** One row per instant, the same readings in each unless they are functions of the row. */
export function batchBytes(device: string, atMs: readonly number[], readings: Readings | ((row: number) => Readings)): Uint8Array {
  const rows = atMs.map((_, row) => (typeof readings === 'function' ? readings(row) : readings));
  const columns: MetricColumn[] = Object.entries(rows[0]!).flatMap(([thread, metrics]) => Object.keys(metrics).map((metric) => ({
    metric, thread: thread === '' ? '' : threadId(thread), values: rows.map((row) => row[thread]?.[metric] ?? NaN),
  })));
  return encodeSamples({ device: deviceId(device), sequence: 0, atMs, columns, absences: [] });
}

/** Lets `seconds` pass on one device, two samples a second. */
export function pass(forecaster: Forecaster, clock: HandClock, device: string, seconds: number, readings: Readings): void {
  for (let s = 0; s < seconds; s++) {
    clock.atMs += 1_000;
    forecaster.takeSamples(SUBJECTS.metrics(deviceId(device)), batchBytes(device, [clock.atMs - 900, clock.atMs - 400], readings));
  }
}
