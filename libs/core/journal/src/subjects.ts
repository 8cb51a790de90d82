import type { RequestId, ShardId } from '@godwit/kernel';
import type { ThreadAddress } from './records.js';

/** Subjects of the journal, in one place. `prefix` is a tenant's, such as `acme.`; empty by default. */
export const journalSubjects = (prefix = '') => {
  const base = ({ shard, thread }: ThreadAddress): string => `${prefix}godwit.t.${shard}.${thread}`;
  return {
    shard: (shard: ShardId) => `${prefix}godwit.t.${shard}.>`,
    input: (at: ThreadAddress, requestId: RequestId) => `${base(at)}.in.${requestId}`,
    inputs: (at: ThreadAddress) => `${base(at)}.in.*`,
    own: (at: ThreadAddress, epoch: number) => `${base(at)}.own.${epoch}`,
    owns: (at: ThreadAddress) => `${base(at)}.own.*`,
    output: (at: ThreadAddress, n: number) => `${base(at)}.out.${n}`,
    outputs: (at: ThreadAddress) => `${base(at)}.out.*`,
    checkpoint: (at: ThreadAddress, k: number) => `${base(at)}.ck.${k}`,
    checkpoints: (at: ThreadAddress) => `${base(at)}.ck.*`,
    intent: (at: ThreadAddress, epoch: number) => `${base(at)}.intent.${epoch}`,
    intents: (at: ThreadAddress) => `${base(at)}.intent.*`,
  };
};
/** Stream of a shard. Stream names take no dots; ids have none. */
export const shardStream = (shard: ShardId, prefix = ''): string => `${prefix.replaceAll('.', '_').toUpperCase()}GODWIT_T_${shard}`;
