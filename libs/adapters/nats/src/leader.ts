/**
 * Requests of the JetStream API that must see the truth. Reads go to the stream's leader (`STREAM.MSG.GET`, never the
 * direct API, which any replica may answer from an older state).
 */
import { isRefusal, OperationError, type DurationMs, type Refusal } from '@godwit/kernel';
import type { Stored } from '@godwit/journal';
import { NATS_TIMEOUTS, type NatsLink } from './connection.js';

/** The error codes of JetStream that we tell apart. */
export const JETSTREAM_ERRORS = {
  streamNotFound: 10059, streamNameInUse: 10058, noMessageFound: 10037,
  wrongLastSequence: 10071, wrongLastSequenceUnknown: 10164, storeFailed: 10077,
} as const;

export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** A record as the stream holds it. */
export interface RawRecord {
  readonly seq: number;
  readonly subject: string;
  readonly atMs: number;
  readonly data: Uint8Array;
  /** The raw header block, empty when there is none. */
  readonly headerText: string;
}

type MessageQuery = { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj: string };

/** Broker's time (RFC 3339, nanoseconds) in whole milliseconds, cut and not rounded, as the reader does it. */
export const brokerTimeMs = (rfc3339: string): number => Date.parse(rfc3339.replace(/(\.\d{3})\d+/, '$1'));

/**
 * One request of the JetStream API, tried again while nobody answers. Only for requests that may be repeated.
 * @throws OperationError after `NATS_TIMEOUTS.readLimitMs`.
 */
export async function api<Reply extends object>(link: NatsLink, subject: string, body: object = {}): Promise<Reply | { readonly error: ApiError }> {
  const deadlineMs = performance.now() + NATS_TIMEOUTS.readLimitMs;
  for (let attempt = 0; ; attempt++) {
    try {
      const reply = JSON.parse(Buffer.from(await link.request(`$JS.API.${subject}`, JSON.stringify(body))).toString('utf8')) as Reply | { error: ApiError };
      // 503: no leader at this moment.
      if (!('error' in reply) || reply.error.code !== 503 || performance.now() > deadlineMs) return reply;
    } catch (error) {
      if (!(error instanceof OperationError) || performance.now() > deadlineMs || link.nc.isClosed()) throw error;
    }
    await pause(backoffMs(attempt));
  }
}

/** Like `api`, but an error of the API is thrown. @throws OperationError */
export async function apiOrThrow<Reply extends object>(link: NatsLink, subject: string, body: object = {}): Promise<Reply> {
  const reply = await api<Reply>(link, subject, body);
  if ('error' in reply) throw apiError(subject, reply.error);
  return reply;
}

export function apiError(what: string, error: ApiError): OperationError {
  const code = error.err_code === JETSTREAM_ERRORS.streamNotFound ? 'not-found' : error.code === 503 ? 'connection-lost' : 'append-refused';
  return new OperationError(code, `JetStream: ${what}: ${error.description} (${error.err_code})`, { effect: 'none' });
}

/** The record that the query names, or undefined. @throws OperationError, `not-found` when there is no such stream. */
export async function getRecord(link: NatsLink, stream: string, query: MessageQuery): Promise<RawRecord | undefined> {
  const reply = await api<{ message: { subject: string; seq: number; time: string; data?: string; hdrs?: string } }>(link, `STREAM.MSG.GET.${stream}`, query);
  if ('error' in reply) {
    if (reply.error.err_code === JETSTREAM_ERRORS.noMessageFound) return undefined;
    throw apiError(`reading ${stream}`, reply.error);
  }
  const { subject, seq, time, data, hdrs } = reply.message;
  return {
    seq, subject, atMs: brokerTimeMs(time),
    data: new Uint8Array(Buffer.from(data ?? '', 'base64')), headerText: Buffer.from(hdrs ?? '', 'base64').toString('latin1'),
  };
}

/** @throws OperationError `malformed-message` for a record that nobody of ours can have written. */
export function decoded<Rec extends object>(raw: RawRecord, decode: (bytes: Uint8Array) => Rec | Refusal): Stored<Rec> {
  const record = decode(raw.data);
  if (isRefusal(record)) {
    throw new OperationError('malformed-message', `journal record ${raw.seq} (${raw.subject}): ${record.reason}`, { effect: 'none' });
  }
  return { seq: raw.seq, atMs: raw.atMs, record };
}

export const pause = (durationMs: DurationMs): Promise<void> => new Promise((resolve) => { setTimeout(resolve, durationMs); });

/** 1, 2, 4, … 128 ms, each with a random half, so that rivals do not keep step. */
export const backoffMs = (attempt: number): DurationMs => 2 ** Math.min(attempt, 7) * (0.5 + Math.random() / 2);
