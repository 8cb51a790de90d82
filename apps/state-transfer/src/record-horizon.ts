/** Which records of a shard are older than a horizon, by the broker's stamps and the broker's clock: ours plays no part. */
import { OperationError, type DurationMs, type ShardId } from '@godwit/kernel';
import { shardStream } from '@godwit/journal';
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

const ANSWER_MS = 2_000;

/**
 * Sequence of the newest record that is older than the horizon; 0 for none.
 * @throws OperationError, effect `none`, when the broker does not tell.
 */
export async function recordHorizon(nats: NatsConnection, shard: ShardId, horizonMs: DurationMs): Promise<number> {
  const stream = shardStream(shard);
  try {
    const manager = await jetstreamManager(nats, { timeout: ANSWER_MS });
    const { state, ts } = await manager.streams.info(stream);
    const brokerNowMs = Date.parse(ts ?? '');
    if (!Number.isFinite(brokerNowMs)) throw new Error('the broker does not tell its time');
    const consumer = await jetstream(nats, { timeout: ANSWER_MS }).consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(brokerNowMs - horizonMs).toISOString(), headers_only: true,
    });
    try {
      // Nothing since then: all of what the stream held before is older.
      if ((await consumer.info()).num_pending === 0) return state.last_seq;
      const first = await consumer.next({ expires: ANSWER_MS });
      if (!first) throw new Error('no record came although some were announced');
      return first.seq - 1;
    } finally {
      await consumer.delete();
    }
  } catch (cause) {
    throw new OperationError('connection-lost', `${stream}: ${(cause as Error).message}`, { effect: 'none', cause });
  }
}
