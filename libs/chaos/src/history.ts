/** All records of one thread as the broker has them, in the order of the stream. */
import { writeFile } from 'node:fs/promises';
import { isRefusal } from '@godwit/kernel';
import { shardStream, type CheckpointRecord, type InRecord, type IntentRecord, type OutRecord, type OwnRecord, type ThreadAddress } from '@godwit/journal';
import type { NatsLink } from '@godwit/nats';
import { checkpointRecordCodec, inRecordCodec, intentRecordCodec, outRecordCodec, ownRecordCodec } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';

export type HistoryRecord = { readonly seq: number; readonly atMs: number } & (
  | { readonly type: 'in'; readonly record: InRecord }
  | { readonly type: 'out'; readonly record: OutRecord }
  | { readonly type: 'own'; readonly record: OwnRecord }
  | { readonly type: 'ck'; readonly record: CheckpointRecord }
  | { readonly type: 'intent'; readonly record: IntentRecord });

const CODECS = { in: inRecordCodec, out: outRecordCodec, own: ownRecordCodec, ck: checkpointRecordCodec, intent: intentRecordCodec } as const;
const BATCH = 500;
const BATCH_MS = 5_000;

/** @throws Error when a record cannot be read. */
export async function readHistory(link: NatsLink, { shard, thread }: ThreadAddress): Promise<HistoryRecord[]> {
  const consumer = await jetstream(link.nc).consumers.get(shardStream(shard), { filter_subjects: [`godwit.t.${shard}.${thread}.>`] });
  const history: HistoryRecord[] = [];
  let pending = (await consumer.info()).num_pending;
  while (pending > 0) {
    for await (const message of await consumer.fetch({ max_messages: Math.min(BATCH, pending), expires: BATCH_MS })) {
      const type = message.subject.split('.')[4] as keyof typeof CODECS;
      const record = CODECS[type].decode(message.data);
      if (isRefusal(record)) throw new Error(`${message.subject}: ${record.reason}`);
      history.push({ seq: message.seq, atMs: Date.parse(message.time.toISOString()), type, record } as HistoryRecord);
      pending = message.info.pending;
    }
  }
  return history;
}

/** Writes it for a person to read, a record a line. */
export async function keepHistory(path: string, history: readonly HistoryRecord[]): Promise<void> {
  const plain = (key: string, value: unknown): unknown => (key === 'messages' ? (value as { payload: Uint8Array }[]).map(({ payload }) => Buffer.from(payload).toString()) : value);
  await writeFile(path, `${history.map((record) => JSON.stringify(record, plain)).join('\n')}\n`);
}
