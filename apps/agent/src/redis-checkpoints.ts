/** Checkpoints in Redis, by grant of state-transfer: asked for once per thread and epoch. */
import { isRefusal, refuse, type DeviceId, type Refusal, type ThreadId } from '@godwit/kernel';
import type { CheckpointPart } from '@godwit/journal';
import type { CheckpointStore } from '@godwit/redis';
import { call, sha256 } from '@godwit/shell';
import { grantReplyCodec, grantRequestCodec, SUBJECTS } from '@godwit/wire';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Checkpoints } from '@godwit/handover';

const GRANT_MS = 3_000;

export class RedisCheckpoints implements Checkpoints {
  private readonly granted = new Map<ThreadId, number>();
  constructor(private readonly device: DeviceId, private readonly nats: NatsConnection, private readonly store: CheckpointStore) {}

  async write(thread: ThreadId, { epoch, k, base, parts }: { epoch: number; k: number; base: number; parts: readonly Uint8Array[] }): Promise<CheckpointPart | Refusal> {
    if (this.granted.get(thread) !== epoch) {
      const reply = await call(this.nats, { subject: SUBJECTS.transferGrant, request: grantRequestCodec, reply: grantReplyCodec, timeoutMs: GRANT_MS }, { thread, device: this.device, epoch });
      if (isRefusal(reply)) return reply;
      if (!reply.granted) return refuse('stale-epoch', reply.reason, 'epoch');
      this.granted.set(thread, epoch);
    }
    const place = await this.store.writeCheckpoint({ thread, epoch, k, base, parts, sha256 });
    return isRefusal(place) ? place : { k, ...place };
  }

  async read(thread: ThreadId, part: CheckpointPart): Promise<Uint8Array | Refusal> {
    return this.store.readCheckpoint({ thread, ...part });
  }
}
