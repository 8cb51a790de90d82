/** One try of one append, and what the broker's answer means. Nothing here tries again. */
import { OperationError } from '@godwit/kernel';
import { headersOf, NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { apiError, JETSTREAM_ERRORS, type ApiError } from './leader.js';
import { randomUUID } from 'node:crypto';

/** What goes to the broker. */
export interface Appendable {
  readonly subject: string;
  readonly payload: Uint8Array;
}

/**
 * `fence`: the expected owner record is not the newest, or (replicated streams) another append was in flight.
 * `exists`: that number is there already. `batch-refused`: nothing of the batch is there; the records may go singly.
 * `unknown`: it may be there. `failed`: it is not there.
 */
export type AppendAnswer =
  | { readonly kind: 'stored'; readonly lastSeq: number }
  | { readonly kind: 'fence' | 'exists' | 'batch-refused' }
  | { readonly kind: 'unknown' | 'failed'; readonly error: OperationError };

export type AppendHeaders = Readonly<Record<string, string | number>>;

/** The headers by which the broker refuses an append that rests on an older owner record. */
export const fenceHeaders = (ownSubjects: string, ownSeq: number): AppendHeaders => ({
  'Nats-Expected-Last-Subject-Sequence': ownSeq,
  'Nats-Expected-Last-Subject-Sequence-Subject': ownSubjects,
});

/** The broker takes at most 1,000 in one atomic batch. */
export const MAX_BATCH_RECORDS = 1_000;

/** Appends one record. */
export async function sendOne(link: NatsLink, record: Appendable, headers: AppendHeaders): Promise<AppendAnswer> {
  return settle(record.subject, () => link.request(record.subject, record.payload, { headers: headersOf(headers), timeoutMs: NATS_TIMEOUTS.appendAttemptMs }));
}

/**
 * Appends all or none, in order, under one acknowledgement (ADR-50 of NATS). The first record waits for no answer of its
 * own: the shard's stream is known to take batches, and what goes wrong shows in the answer to the last.
 */
export async function sendBatch(link: NatsLink, records: readonly Appendable[], headers: AppendHeaders): Promise<AppendAnswer> {
  const batchId = randomUUID();
  const numbered = (i: number): AppendHeaders => ({ ...headers, 'Nats-Batch-Id': batchId, 'Nats-Batch-Sequence': i + 1 });
  const last = records.at(-1)!;
  const answer = await settle(last.subject, async () => {
    await link.whenConnected(NATS_TIMEOUTS.appendAttemptMs);
    for (const [i, { subject, payload }] of records.slice(0, -1).entries()) link.nc.publish(subject, payload, { headers: headersOf(numbered(i)) });
    const commit = { ...numbered(records.length - 1), 'Nats-Batch-Commit': 1 };
    return link.request(last.subject, last.payload, { headers: headersOf(commit), timeoutMs: NATS_TIMEOUTS.appendAttemptMs });
  });
  return answer.kind === 'failed' && answer.error.code === 'append-refused' ? { kind: 'batch-refused' } : answer;
}

async function settle(what: string, ask: () => Promise<Uint8Array>): Promise<AppendAnswer> {
  let reply: { seq: number; error?: ApiError };
  try {
    reply = JSON.parse(Buffer.from(await ask()).toString('utf8')) as typeof reply;
  } catch (error) {
    if (error instanceof OperationError) return { kind: error.effect === 'none' ? 'failed' : 'unknown', error };
    throw error;
  }
  return reply.error ? meaning(what, reply.error) : { kind: 'stored', lastSeq: reply.seq };
}

function meaning(what: string, error: ApiError): AppendAnswer {
  if (error.err_code === JETSTREAM_ERRORS.wrongLastSequence || error.err_code === JETSTREAM_ERRORS.wrongLastSequenceUnknown) return { kind: 'fence' };
  if (error.err_code === JETSTREAM_ERRORS.storeFailed && error.description.includes('maximum messages per subject')) return { kind: 'exists' };
  return { kind: 'failed', error: apiError(`append to ${what}`, error) };
}

/** The same failure, with effect `unknown`: when reading back has failed, what became of the append before it is not known. */
export function asUnknown(error: unknown): unknown {
  if (!(error instanceof OperationError) || error.effect === 'unknown') return error;
  return new OperationError(error.code, error.message, { effect: 'unknown', cause: error });
}
