/** From raw records to a thread's entries: its inputs with the outputs it subscribes to, or one thread's outputs alone. */
import { isRefusal, OperationError, threadId, type Refusal, type ThreadId } from '@godwit/kernel';
import type { InRecord, JournalEntry, JournalReader, OutRecord, Stored, ThreadAddress } from '@godwit/journal';
import { inRecordCodec, outRecordCodec } from '@godwit/wire';
import { decoded, type RawRecord } from './leader.js';
import type { RawReader } from './reader.js';

/** Told of each record that is no journal record; it is skipped, at every re-reading alike. */
export type OnMalformed = (seq: number, subject: string, refusal: Refusal) => void;

/** `….<thread>.in.<requestId>` or `….<thread>.out.<n>`. */
function entryOf(raw: RawRecord): JournalEntry | Refusal {
  const [thread, type, last] = raw.subject.split('.').slice(-3);
  const place = { seq: raw.seq, atMs: raw.atMs, thread: threadId(thread ?? '') };
  if (type === 'out') return { type, ...place, ...decoded<OutRecord>(raw, outRecordCodec.decode) };
  const record: InRecord | Refusal = inRecordCodec.decode(raw.data);
  if (isRefusal(record)) return record;
  // Whoever may publish inputs could otherwise put one request under another's id.
  if (record.requestId !== last) return { refused: true, code: 'invalid-field', field: 'requestId', reason: `the subject names ${last}, the record ${record.requestId}` };
  return { type: 'in', ...place, record };
}

export function journalReader(raw: RawReader, onMalformed: OnMalformed): JournalReader {
  let pending = raw.pendingAtOpen;
  async function* entries(): AsyncGenerator<JournalEntry, void, void> {
    for await (const record of raw) {
      pending = record.pending;
      const entry = entryOf(record);
      if (isRefusal(entry)) onMalformed(record.seq, record.subject, entry);
      else yield entry;
    }
  }
  return { pending: () => pending, close: () => raw.close(), [Symbol.asyncIterator]: entries };
}

/** @param untilN ends behind this output; undefined to follow for ever. */
export function outputReader(raw: RawReader, at: ThreadAddress, range: { readonly afterN: number; readonly untilN: number | undefined }): AsyncIterable<Stored<OutRecord>> & { close(): Promise<void> } {
  async function* outputs(): AsyncGenerator<Stored<OutRecord>, void, void> {
    let lastN = range.afterN;
    if (range.untilN !== undefined && lastN >= range.untilN) return;
    for await (const record of raw) {
      const output = decoded<OutRecord>(record, outRecordCodec.decode);
      const { n } = output.record;
      if (n <= range.afterN) continue;
      if (n !== lastN + 1) throw missing(at.thread, lastN + 1, n - 1);
      lastN = n;
      yield output;
      if (n === range.untilN) return;
    }
  }
  return { close: () => raw.close(), [Symbol.asyncIterator]: outputs };
}

export const missing = (thread: ThreadId, fromN: number, toN: number): OperationError =>
  new OperationError('not-found', `thread ${thread}: outputs ${fromN} to ${toN} are not in the journal (any more)`, { effect: 'none' });
