/**
 * One forecaster with 5,000 series at steps of 1 s: samples in, forecasts encoded, in this process, with a clock that is set by hand.
 * Prints CPU seconds per second of the clock (the goal is half a core), where they go, and memory per series.
 * Left out: the broker's client, the neural model's worker, history on its way to the stream (it is encoded).
 * Measures the built files: after `npx tsc -b apps/forecaster`, `npx node --expose-gc apps/forecaster/src/scale.bench.ts [threads] [seconds]`.
 */
import { deviceId, threadId, Xoshiro128, type Clock } from '@godwit/kernel';
import { createLog } from '@godwit/shell';
import { encodeForecast, encodeSamples, historyCodec, SUBJECTS, traceBatchCodec, type MetricColumn } from '@godwit/wire';
import { Forecaster } from '../dist/forecaster.js';

const THREADS = Number(process.argv[2] ?? 4_900);
const SECONDS = Number(process.argv[3] ?? 30);
const THREADS_PER_DEVICE = 49;
const WARM_UP_S = 90;
const HORIZON_MS = 60_000;
const DEVICES = Math.ceil(THREADS / THREADS_PER_DEVICE);
const SERIES = THREADS + DEVICES;
/** One thread in ten goes through phases that its traces tell; the others do one thing. */
const PHASED_EVERY = 10;

const clock: Clock & { atMs: number } = { atMs: 1_700_000_000_000, nowMs() { return this.atMs; }, monotonicMs() { return this.atMs; } };
const cpuMs = (): number => { const { user, system } = process.cpuUsage(); return (user + system) / 1_000; };
const print = (line: string): void => console.log(line);

let sentBytes = 0;
const forecaster = new Forecaster({
  clock, log: createLog('bench', 'silent'),
  publishForecast: (_, forecast) => { sentBytes += encodeForecast(forecast).length; },
  publishHistory: (_, history) => { sentBytes += historyCodec.encode(history).length; },
}, { horizonMs: HORIZON_MS });
const rng = Xoshiro128.seeded(1);
const levels = Float64Array.from({ length: THREADS }, () => 0.02 + 0.1 * rng.next());

/** What one agent sends for one second: two rows of samples, one batch of traces. */
function messages(device: number, second: number): { samples: Uint8Array; traces: Uint8Array } {
  const id = deviceId(`device-${device}`);
  const atMs = [clock.atMs - 900, clock.atMs - 400];
  const columns: MetricColumn[] = [
    { metric: 'cpu.cores', thread: '', values: [3, 3.1] }, { metric: 'cpu.capacity_cores', thread: '', values: [8, 8] }, { metric: 'cpu.pressure_ratio', thread: '', values: [0.01, 0.01] },
  ];
  const threads = [];
  for (let i = 0; i < THREADS_PER_DEVICE && device * THREADS_PER_DEVICE + i < THREADS; i++) {
    const n = device * THREADS_PER_DEVICE + i;
    const thread = threadId(`thread-${n}`);
    const phase = n % PHASED_EVERY === 0 ? Math.floor((second + n) / 20) % 3 : 0;
    const cores = (levels[n] = Math.max(0.01, levels[n]! + 0.01 * (rng.next() - 0.5))) * (1 + phase);
    columns.push(
      { metric: 'cpu.cores', thread, values: [cores, cores] }, { metric: 'cpu.throttled_ratio', thread, values: [0, 0] }, { metric: 'input.records_per_second', thread, values: [50, 51] },
      { metric: 'input.consumed_per_second', thread, values: [50, 51] }, { metric: 'input.backlog_records', thread, values: [2, 1] }, { metric: 'latency.ms_p50', thread, values: [4, 5] },
      { metric: 'latency.ms_p99', thread, values: [9, 11] }, { metric: 'memory.bytes', thread, values: [1e6, 1e6] },
    );
    threads.push({ thread, counters: [{ name: `loop:${phase}`, count: 20_000 + (rng.nextUint32() % 500) }, { name: 'wasi:fd_read', count: 50 }, { name: 'wasi:fd_write', count: 51 }] });
  }
  return {
    samples: encodeSamples({ device: id, sequence: second, atMs, columns, absences: [] }),
    traces: traceBatchCodec.encode({ device: id, atMs: clock.atMs, spanMs: 1_000, threads, edges: [] }),
  };
}

const spent = { samples: 0, traces: 0, rounds: 0 };
function oneSecond(second: number): void {
  clock.atMs += 1_000;
  for (let device = 0; device < DEVICES; device++) {
    const id = deviceId(`device-${device}`);
    const { samples, traces } = messages(device, second);
    const t0 = cpuMs();
    forecaster.takeTraces(SUBJECTS.trace(id), traces);
    const t1 = cpuMs();
    forecaster.takeSamples(SUBJECTS.metrics(id), samples);
    const t2 = cpuMs();
    spent.traces += t1 - t0;
    spent.samples += t2 - t1;
  }
  const t3 = cpuMs();
  for (const _ of forecaster.round()) continue;
  spent.rounds += cpuMs() - t3;
}

globalThis.gc?.();
const heapBefore = process.memoryUsage();
for (let second = 0; second < WARM_UP_S; second++) oneSecond(second);
Object.assign(spent, { samples: 0, traces: 0, rounds: 0 });
sentBytes = 0;
for (let second = 0; second < SECONDS; second++) oneSecond(WARM_UP_S + second);
globalThis.gc?.();
const heapAfter = process.memoryUsage();
const perSecond = (ms: number): string => (ms / 1_000 / SECONDS).toFixed(3);
const bytes = (key: 'heapUsed' | 'arrayBuffers'): number => heapAfter[key] - heapBefore[key];
print(`${SERIES} series (${THREADS} threads, ${DEVICES} devices), ${SECONDS} s after ${WARM_UP_S} s of warm-up`);
print(`CPU seconds per second: ${perSecond(spent.samples + spent.traces + spent.rounds)} (samples ${perSecond(spent.samples)}, traces ${perSecond(spent.traces)}, rounds ${perSecond(spent.rounds)}); goal 0.5`);
print(`memory per series: ${((bytes('heapUsed') + bytes('arrayBuffers')) / SERIES / 1_024).toFixed(0)} KiB; sent ${(sentBytes / SECONDS / 1_048_576).toFixed(1)} MiB per second`);
