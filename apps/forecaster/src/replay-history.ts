/** Reads the newest part of the history stream once, oldest first, when the service starts. */
import { isRefusal, OperationError, type DurationMs, type InstantMs } from '@godwit/kernel';
import { historyCodec, STREAMS, type History } from '@godwit/wire';
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Kind } from './forecaster.js';

export interface ReplayOptions {
  readonly sinceMs: InstantMs;
  /** Longest time for all of it; what was not read then is left out. */
  readonly limitMs: DurationMs;
  readonly take: (kind: Kind, history: History) => void;
}

export interface Replayed {
  readonly messages: number;
  readonly malformed: number;
  /** False when the time ran out. */
  readonly complete: boolean;
}

/** @throws OperationError, effect `none`, when the stream cannot be read. */
export async function replayHistory(nats: NatsConnection, { sinceMs, limitMs, take }: ReplayOptions): Promise<Replayed> {
  let [read, malformed, complete] = [0, 0, false];
  let timer: NodeJS.Timeout | undefined;
  try {
    const consumer = await jetstream(nats).consumers.get(STREAMS.history.name, { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(sinceMs).toISOString() });
    if ((await consumer.info()).num_pending === 0) return { messages: 0, malformed: 0, complete: true };
    const messages = await consumer.consume({ max_messages: 1_000 });
    timer = setTimeout(() => messages.stop(), limitMs);
    for await (const { subject, data, info: { pending } } of messages) {
      const [, , kind] = subject.split('.');
      const history = historyCodec.decode(data);
      read++;
      if (isRefusal(history) || (kind !== 'device' && kind !== 'thread')) malformed++;
      else take(kind, history);
      complete = pending === 0;
      if (complete) break;
    }
    return { messages: read, malformed, complete };
  } catch (cause) {
    throw new OperationError('connection-lost', `history: ${(cause as Error).message}`, { effect: 'none', cause });
  } finally {
    clearTimeout(timer);
  }
}
