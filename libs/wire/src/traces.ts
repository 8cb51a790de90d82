/** Trace batches on the forecaster's hot path: checked by hand, without a schema, like samples. */
import { godwit } from '#generated';
import { isId, refuse, type Refusal } from '@godwit/kernel';
import type { TraceBatch } from './forecast.js';

const { TraceBatch: Generated } = godwit.trace.v1;
const MAX_THREADS = 100_000;
const MAX_COUNTERS = 4_096;

/** The batch without its edges' fields checked: whoever needs edges uses `traceBatchCodec`. */
export function decodeTraces(bytes: Uint8Array): Omit<TraceBatch, 'edges'> | Refusal {
  let batch: TraceBatch;
  try {
    batch = Generated.decode(bytes) as unknown as TraceBatch;
  } catch (cause) {
    return refuse('malformed-message', `TraceBatch: not a Protocol Buffers message of this kind (${(cause as Error).message})`);
  }
  const { device, atMs, spanMs, threads } = batch;
  if (!isId(device)) return refuse('invalid-field', 'TraceBatch: field device: must be 1 to 64 of a-z, 0-9 and -', 'device');
  if (!Number.isFinite(atMs)) return refuse('invalid-field', 'TraceBatch: field atMs: must be finite', 'atMs');
  if (!(spanMs > 0) || !Number.isFinite(spanMs)) return refuse('invalid-field', 'TraceBatch: field spanMs: must be above 0', 'spanMs');
  if (threads.length > MAX_THREADS) return refuse('invalid-field', `TraceBatch: field threads: at most ${MAX_THREADS}`, 'threads');
  for (const [i, { thread, counters }] of threads.entries()) {
    if (!isId(thread)) return refuse('invalid-field', `TraceBatch: field threads.${i}.thread: no id`, `threads.${i}.thread`);
    if (counters.length > MAX_COUNTERS) return refuse('invalid-field', `TraceBatch: field threads.${i}.counters: at most ${MAX_COUNTERS}`, `threads.${i}.counters`);
  }
  // Where the package `long` is installed, 64-bit counts come as its objects.
  return { device, atMs, spanMs, threads: threads.map(({ thread, counters }) => ({ thread, counters: counters.map(({ name, count }) => ({ name, count: Number(count) })) })) };
}
