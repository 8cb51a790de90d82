/** The newest reading of every metric, by device and by thread. A metric that has not been told for long is left out. */
import { isRefusal, type DeviceId, type DurationMs, type InstantMs, type Refusal } from '@godwit/kernel';
import { decodeSamples, type MetricColumn } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';

export interface LastSamples {
  /** The device's clock at the newest row. */
  readonly atMs: InstantMs;
  /** Who measured it. */
  readonly device: DeviceId;
  /** Metric to value; see `DEVICE_METRICS` and `THREAD_METRICS` for meaning and units. */
  readonly values: Readonly<Record<string, number>>;
}
interface Reading { readonly atMs: InstantMs; readonly value: number }
interface Held { atMs: InstantMs; device: DeviceId; readonly readings: BoundedMap<string, Reading & { readonly metric: string }> }

const MAX_DEVICES = 10_000;
const MAX_THREADS = 100_000;
const MAX_METRICS = 512;
/** A metric older than this against the newest of its device or thread is no longer measured. */
const STALE_MS: DurationMs = 15_000;

export class SamplesView {
  private readonly devices = new BoundedMap<string, Held>(MAX_DEVICES);
  private readonly threads = new BoundedMap<string, Held>(MAX_THREADS);

  /** @param subjectDevice the subject's last token; a batch about another device is refused. */
  take(subjectDevice: string, bytes: Uint8Array): Refusal | undefined {
    const batch = decodeSamples(bytes);
    if (isRefusal(batch)) return batch;
    if (batch.device !== subjectDevice) {
      return { refused: true, code: 'invalid-field', field: 'device', reason: `the subject names ${subjectDevice}, the batch ${batch.device}` };
    }
    for (const column of batch.columns) this.takeColumn(batch.device, batch.atMs, column);
    return undefined;
  }

  private takeColumn(device: DeviceId, rowsAtMs: readonly number[], { metric, thread, values }: MetricColumn): void {
    const row = values.findLastIndex(Number.isFinite);
    if (row < 0) return;
    const atMs = rowsAtMs[row]!;
    const map = thread === '' ? this.devices : this.threads;
    const key = thread === '' ? device : thread;
    const held = map.get(key) ?? { atMs, device, readings: new BoundedMap(MAX_METRICS) };
    // A former owner's late batch must not stand beside the new owner's.
    if (held.device !== device && atMs < held.atMs) return;
    held.atMs = Math.max(held.atMs, atMs);
    held.device = device;
    held.readings.set(metric, { metric, atMs, value: values[row]! });
    map.set(key, held);
  }

  device(device: string): LastSamples | undefined {
    return shown(this.devices.get(device));
  }

  thread(thread: string): LastSamples | undefined {
    return shown(this.threads.get(thread));
  }
}

function shown(held: Held | undefined): LastSamples | undefined {
  if (!held) return undefined;
  const fresh = [...held.readings.values()].filter(({ atMs }) => held.atMs - atMs <= STALE_MS);
  return { atMs: held.atMs, device: held.device, values: Object.fromEntries(fresh.map(({ metric, value }) => [metric, value])) };
}
