/** The history stream: 1 s roll-ups of a device or a thread, from which the forecaster rebuilds its series and views draw the past. */
import { godwit } from '#generated';
import type { DeviceId, InstantMs } from '@godwit/kernel';
import { z } from 'zod';
import { finite, id, shortText } from './fields.js';
import { messageCodec } from './message-codec.js';

/** The demand that the forecaster found, beside the metrics of telemetry. */
export const DEMAND_METRIC = 'cpu.demand_cores';

export interface History {
  /** A device's or a thread's id; which of them says the subject. */
  readonly id: string;
  /** The device itself, or the one where the thread ran. */
  readonly device: DeviceId;
  /** End of each row's second, rising. */
  readonly atMs: readonly InstantMs[];
  /** One value per row; NaN where it is not known. */
  readonly columns: readonly { readonly metric: string; readonly values: readonly number[] }[];
}

const MAX_ROWS = 3_600;
/** NaN stands for "not known"; in JSON, which has none, null does. */
const reading = z.codec(z.custom<number | null>((value) => value === null || typeof value === 'number', { error: 'must be a number' }), z.custom<number>(), {
  decode: (value) => value ?? NaN, encode: (value) => value,
});
const schema = z.strictObject({
  id: id<string>(), device: id<DeviceId>(), atMs: z.array(finite).min(1).max(MAX_ROWS),
  columns: z.array(z.strictObject({ metric: shortText, values: z.array(reading).max(MAX_ROWS) })).max(1_024),
}).superRefine((given, context) => {
  const odd = given.columns.findIndex(({ values }) => values.length !== given.atMs.length);
  if (odd >= 0) context.addIssue({ code: 'custom', path: ['columns', odd, 'values'], message: `${given.columns[odd]!.values.length} values for ${given.atMs.length} rows` });
});

export const historyCodec = messageCodec<History>('History', godwit.history.v1.History, schema as unknown as z.ZodType<History, unknown>);
