/**
 * Rolls the samples of one device and its threads (10 ms to 1 s apart) up to steps of one second: the mean for rates, the
 * last value for what is a state or was averaged before.
 *
 * Devices' clocks need not agree with ours: a device that is off by more than `MOST_SKEW_MS` has its samples shifted by the
 * difference, which is kept until it is off by so much again, so that a step is always about our own second.
 */
import type { InstantMs, ThreadId } from '@godwit/kernel';
import type { Reading } from '@godwit/telemetry';
import type { MetricColumn, SampleBatch } from '@godwit/wire';

export const STEP_MS = 1_000;
const MOST_SKEW_MS = 2_000;

/** Averaging these would lag behind the state, or average twice. */
const LAST_COUNTS: ReadonlySet<string> = new Set([
  'cpu.capacity_cores', 'memory.bytes', 'memory.capacity_bytes', 'cpu.pressure_ratio', 'memory.pressure_ratio', 'io.pressure_ratio',
  'temperature.celsius', 'input.backlog_records', 'input.lag_ms', 'latency.ms_p50', 'latency.ms_p99',
]);
/** One series per CPU and per peer is more than the roll-ups are for. */
const isRolledUp = (metric: string): boolean => !metric.startsWith('link.') && !metric.startsWith('cpu.cores.');

/** What was read within one second. A metric that was not read is absent. */
export interface Step {
  /** End of the second. */
  readonly atMs: InstantMs;
  readonly device: Reading;
  readonly threads: ReadonlyMap<ThreadId, Reading>;
}

interface Cell { sum: number; count: number; last: number }
type Cells = Map<string, Cell>;

export class RollUp {
  private openStep = NaN;
  private shiftMs = 0;
  private cells = new Map<string, Cells>();

  /** @returns the steps that this batch closed, oldest first; the newest one stays open for what is still to come. */
  take(batch: SampleBatch, receivedMs: InstantMs): Step[] {
    const skewMs = receivedMs - (batch.atMs.at(-1)! + this.shiftMs);
    if (Math.abs(skewMs) > MOST_SKEW_MS) this.shiftMs += skewMs;
    const closed: Step[] = [];
    for (let from = 0; from < batch.atMs.length;) {
      const step = this.stepOf(batch.atMs[from]!);
      let to = from + 1;
      while (to < batch.atMs.length && this.stepOf(batch.atMs[to]!) === step) to++;
      if (step !== this.openStep && this.cells.size > 0) closed.push(this.close());
      this.openStep = step;
      for (const column of batch.columns) if (isRolledUp(column.metric)) this.add(column, from, to);
      from = to;
    }
    return closed;
  }

  private stepOf(atMs: InstantMs): number {
    return Math.floor((atMs + this.shiftMs) / STEP_MS);
  }

  private add({ thread, metric, values }: MetricColumn, from: number, to: number): void {
    let cells = this.cells.get(thread);
    if (!cells) this.cells.set(thread, (cells = new Map()));
    let cell = cells.get(metric);
    if (!cell) cells.set(metric, (cell = { sum: 0, count: 0, last: 0 }));
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) continue;
      cell.sum += value;
      cell.count++;
      cell.last = value;
    }
  }

  private close(): Step {
    const threads = new Map<ThreadId, Reading>();
    for (const [thread, cells] of this.cells) if (thread !== '') threads.set(thread as ThreadId, readingOf(cells));
    const step = { atMs: (this.openStep + 1) * STEP_MS, device: readingOf(this.cells.get('') ?? new Map()), threads };
    this.cells = new Map();
    return step;
  }
}

function readingOf(cells: Cells): Reading {
  const reading: Record<string, number> = {};
  for (const [metric, { sum, count, last }] of cells) {
    if (count > 0) reading[metric] = LAST_COUNTS.has(metric) ? last : sum / count;
  }
  return reading;
}
