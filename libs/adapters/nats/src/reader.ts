/**
 * Reading a shard in the order of the stream. The client's ordered consumer carries the reading over lost connections,
 * broker restarts and changes of leader; this file adds what the journal promises.
 *
 * Invariants: R1. Sequences strictly increase; a repetition or a step back ends the reading with an error, never silently.
 * An iteration that ends by itself was closed by its reader.
 * R2. Flow control: at most `batch` records lie in memory; more are asked for as they are handed out.
 */
import { OperationError } from '@godwit/kernel';
import { DeliverPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { backoffMs, pause, type RawRecord } from './leader.js';

/** Missed for twice this long, the consumer is looked for and made anew. */
const HEARTBEAT_MS = 1_000;
const PULL_EXPIRES_MS = 3_000;
/** The broker forgets a consumer whose reader has been gone for so long. */
const INACTIVE_MS = 60_000;

export interface RawReader extends AsyncIterable<RawRecord & { readonly pending: number }> {
  /** Matching records at the moment of opening. */
  readonly pendingAtOpen: number;
  close(): Promise<void>;
}

export interface RawReadOptions {
  readonly stream: string;
  readonly filters: readonly string[];
  readonly fromSeq: number;
  readonly batch: number;
}

/** @throws OperationError when the reading cannot begin within `NATS_TIMEOUTS.readLimitMs`. */
export async function openRawReader(link: NatsLink, options: RawReadOptions): Promise<RawReader> {
  const consumer = await withinLimit(`reading ${options.stream}`, () => jetstream(link.nc, { timeout: NATS_TIMEOUTS.requestMs }).consumers.get(options.stream, {
    filter_subjects: [...options.filters], deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: options.fromSeq,
    inactive_threshold: INACTIVE_MS,
  }));
  const pendingAtOpen = (await consumer.info(true)).num_pending;
  const messages = await consumer.consume({ max_messages: options.batch, expires: PULL_EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS });
  let closed = false;
  return {
    pendingAtOpen,
    async close() {
      closed = true;
      // Not awaited: it resolves when the iteration has ended, and there may never have been one.
      void messages.close();
      // Best effort: the broker forgets it by itself. It may be gone already, with its server.
      await consumer.delete().then(() => undefined, () => undefined);
    },
    [Symbol.asyncIterator]: () => inOrder(messages, options, () => closed),
  };
}

async function* inOrder(messages: ConsumerMessages, options: RawReadOptions, isClosed: () => boolean): AsyncGenerator<RawRecord & { pending: number }, void, void> {
  let lastSeq = options.fromSeq - 1;
  for await (const message of messages) {
    if (message.seq <= lastSeq) {
      throw new OperationError('broker-regressed', `${options.stream}: record ${message.seq} was delivered behind ${lastSeq}`, { effect: 'none' });
    }
    lastSeq = message.seq;
    yield { ...rawRecord(message), pending: message.info.pending };
  }
  // The client ends the iteration quietly when its connection is closed for good; that is no end of the journal.
  if (!isClosed()) throw new OperationError('connection-lost', `${options.stream}: the connection was closed while reading behind ${lastSeq}`, { effect: 'none' });
}

const rawRecord = (message: JsMsg): RawRecord => ({
  seq: message.seq, subject: message.subject, data: message.data, headerText: '',
  atMs: Number(message.timestampNanos / 1_000_000n),
});

async function withinLimit<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + NATS_TIMEOUTS.readLimitMs;
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (cause) {
      if (performance.now() > deadlineMs) throw new OperationError('timeout', `${what}: ${(cause as Error).message}`, { effect: 'none', cause });
      await pause(backoffMs(tries));
    }
  }
}
