/** The right to write checkpoints to Redis: for the owner that the journal names, and for nobody else. */
import { isRefusal, type Refusal } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { CheckpointStore } from '@godwit/redis';
import type { Registry } from '@godwit/registry';
import type { GrantReply, GrantRequest } from '@godwit/wire';

export interface GrantPorts {
  readonly registry: () => Registry;
  readonly journal: Pick<Journal, 'newestOwn'>;
  readonly store: Pick<CheckpointStore, 'grantEpoch'>;
}

const denied = (reason: string): GrantReply => ({ granted: false, reason });

/**
 * Tidiness, not safety: the manifest in the journal is fenced, and says which bytes count. Asked again, it answers alike.
 * @throws OperationError when the journal or Redis does not answer.
 */
export async function grant({ registry, journal, store }: GrantPorts, { thread, device, epoch }: GrantRequest): Promise<GrantReply> {
  const spec = registry().threads.get(thread);
  if (!spec) return denied(`thread ${thread} is not registered`);
  const own = await journal.newestOwn({ shard: spec.shard, thread });
  if (!own) return denied(`thread ${thread} has no owner yet`);
  const { record } = own;
  if (record.epoch !== epoch) return denied(`epoch ${epoch} is not the newest of thread ${thread}: that is ${record.epoch}, of device ${record.device}`);
  if (record.device !== device) return denied(`epoch ${epoch} of thread ${thread} belongs to device ${record.device}`);
  if (record.reason === 'retired') return denied(`thread ${thread} is retired`);
  const refusal: Refusal | void = await store.grantEpoch(thread, epoch);
  return isRefusal(refusal) ? denied(refusal.reason) : { granted: true, reason: '' };
}
