/** Sample batches: the hot path. Checked by hand, without a schema: sizes, ids and lengths; values are numbers by their encoding. */
import { godwit } from '#generated';
import { isId, refuse, type DeviceId, type Refusal } from '@godwit/kernel';
import type { Absence } from '@godwit/telemetry';

/** One metric over the rows of a batch; NaN where it was not read. `thread` is empty for the device itself. */
export interface MetricColumn { readonly metric: string; readonly thread: string; readonly values: readonly number[] }
export interface SampleBatch {
  readonly device: DeviceId;
  readonly sequence: number;
  readonly atMs: readonly number[];
  readonly columns: readonly MetricColumn[];
  readonly absences: readonly Absence[];
}
const { SampleBatch: Generated } = godwit.metrics.v1;
const MAX_ROWS = 10_000;

export const encodeSamples = (batch: SampleBatch): Uint8Array => Generated.encode(batch as never).finish();

export function decodeSamples(bytes: Uint8Array): SampleBatch | Refusal {
  let batch: SampleBatch;
  try {
    batch = Generated.decode(bytes) as unknown as SampleBatch;
  } catch (cause) {
    return refuse('malformed-message', `SampleBatch: not a Protocol Buffers message of this kind (${(cause as Error).message})`);
  }
  if (!isId(batch.device)) return refuse('invalid-field', 'SampleBatch: field device: must be 1 to 64 of a-z, 0-9 and -', 'device');
  const rows = batch.atMs.length;
  if (rows === 0 || rows > MAX_ROWS || !batch.atMs.every(Number.isFinite)) return refuse('invalid-field', `SampleBatch: field atMs: 1 to ${MAX_ROWS} finite instants expected`, 'atMs');
  for (const [i, column] of batch.columns.entries()) {
    if (column.values.length !== rows) return refuse('invalid-field', `SampleBatch: field columns.${i}.values: ${column.values.length} values for ${rows} rows`, `columns.${i}.values`);
    if (column.thread !== '' && !isId(column.thread)) return refuse('invalid-field', `SampleBatch: field columns.${i}.thread: no id`, `columns.${i}.thread`);
  }
  return batch;
}
