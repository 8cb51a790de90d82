/**
 * Every GPU that nvidia-smi shows, from one long-lived child that prints a line per GPU and period: starting it anew for each
 * reading costs half a second of CPU and the driver's lock.
 *
 * 1. A GPU that has not been told of for `STALE_PERIODS` periods is absent, and a child that fell silent is started again.
 * 2. What the child says instead of values (no driver, no device, a lost GPU) is the reason that a person gets.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { KeptChild } from './kept-child.js';
import { GPU_FIELDS, parseGpuLine, refusedField, type GpuField, type GpuLine } from './smi-line.js';

export const GPU_METRICS = [
  'utilisation_ratio', 'memory_bytes', 'memory_capacity_bytes', 'power_watts', 'power_limit_watts', 'temperature_celsius', 'thermal_throttled_ratio', 'uncorrected_errors_per_second',
] as const;

export interface NvidiaGpusOptions {
  /** The program, by name or path. */
  readonly program?: string;
  readonly periodMs?: number;
  /** Pause before a second start; it doubles up to five minutes. */
  readonly firstPauseMs?: number;
}

const STALE_PERIODS = 10;
const LEAST_STALE_MS = 5_000;
const MOST_PAUSE_MS = 300_000;
const SHOWN_CHARACTERS = 300;
const NOTHING_YET = 'nvidia-smi has given no values yet';

interface Gpu {
  line: GpuLine;
  fresh: boolean;
  seenAtMs: number;
  errors: number | undefined;
  errorsAtMs: number;
}

export class NvidiaGpus implements Collector {
  readonly name = 'nvidia-gpus';
  private readonly gpus = new Map<number, Gpu>();
  private readonly child: KeptChild;
  private readonly staleMs: number;
  private fields: readonly GpuField[] = GPU_FIELDS;
  private failure: string | undefined;
  private message: string | undefined;
  private lines = 0;
  private linesBefore = 0;
  private heardAtMs = Number.NaN;

  constructor({ program = 'nvidia-smi', periodMs = 500, firstPauseMs = 1_000 }: NvidiaGpusOptions = {}) {
    this.staleMs = Math.max(LEAST_STALE_MS, STALE_PERIODS * periodMs);
    this.child = new KeptChild({
      program, firstPauseMs, mostPauseMs: MOST_PAUSE_MS,
      args: () => [`--query-gpu=${this.fields.join(',')}`, '--format=csv,noheader,nounits', '-lms', String(periodMs)],
      onLine: (line) => this.hear(line), onState: (failure) => (this.failure = failure),
    });
  }

  private hear(line: string): void {
    const gpu = parseGpuLine(line, this.fields);
    if (gpu !== undefined) {
      const known = this.gpus.get(gpu.index);
      if (known === undefined) this.gpus.set(gpu.index, { line: gpu, fresh: true, seenAtMs: Number.NaN, errors: undefined, errorsAtMs: Number.NaN });
      else Object.assign(known, { line: gpu, fresh: true });
      this.lines++;
      this.message = undefined;
      return;
    }
    const refused = refusedField(line);
    // The index cannot be done without; a driver that does not know it is no driver.
    if (refused !== undefined && refused !== 'index') this.fields = this.fields.filter((field) => field !== refused);
    this.message = line.slice(0, SHOWN_CHARACTERS);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.watch(monotonicMs);
    for (const [index, gpu] of this.gpus) {
      if (gpu.fresh) this.renew(gpu, monotonicMs, (metric, value) => (into[`gpu.${index}.${metric}`] = value));
      if (monotonicMs - gpu.seenAtMs > this.staleMs) this.gpus.delete(index);
      else for (const [metric, value] of Object.entries(gpu.line.values)) into[`gpu.${index}.${metric}`] = value;
    }
  }

  /** Starts a child again that runs but says nothing: one that hangs in the driver holds its pipe open for ever. */
  private watch(monotonicMs: number): void {
    if (this.lines !== this.linesBefore || Number.isNaN(this.heardAtMs) || this.failure !== undefined) this.heardAtMs = monotonicMs;
    this.linesBefore = this.lines;
    if (monotonicMs - this.heardAtMs <= this.staleMs) return;
    this.message ??= `nvidia-smi has said nothing for ${Math.round((monotonicMs - this.heardAtMs) / 1_000)} s`;
    this.heardAtMs = monotonicMs;
    this.child.restart();
  }

  private renew(gpu: Gpu, monotonicMs: number, tell: (metric: string, value: number) => void): void {
    gpu.fresh = false;
    gpu.seenAtMs = monotonicMs;
    const { uncorrectedErrors } = gpu.line;
    const [before, seconds] = [gpu.errors, (monotonicMs - gpu.errorsAtMs) / 1_000];
    // A count that fell was reset with the driver.
    if (uncorrectedErrors !== undefined && before !== undefined && seconds > 0 && uncorrectedErrors >= before) tell('uncorrected_errors_per_second', (uncorrectedErrors - before) / seconds);
    gpu.errors = uncorrectedErrors;
    gpu.errorsAtMs = monotonicMs;
  }

  absences(): readonly Absence[] {
    const absent: Absence[] = [];
    if (this.gpus.size === 0) return GPU_METRICS.map((metric) => ({ metric: `gpu.<n>.${metric}`, reason: this.reason() }));
    for (const [index, { line }] of this.gpus) {
      for (const metric of GPU_METRICS) {
        const told = metric === 'uncorrected_errors_per_second' ? line.uncorrectedErrors !== undefined : metric in line.values;
        if (!told) absent.push({ metric: `gpu.${index}.${metric}`, reason: 'the GPU or its driver does not tell it' });
      }
    }
    return absent;
  }

  private reason(): string {
    return [this.message, this.failure].filter((part) => part !== undefined).join('; ') || NOTHING_YET;
  }

  close(): void {
    this.child.close();
  }
}
