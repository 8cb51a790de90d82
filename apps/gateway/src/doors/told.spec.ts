import { describe, expect, it } from '@jest/globals';
import { refuse, shardId, type ShardId } from '@godwit/kernel';
import type { LocalLog } from '@godwit/nats';
import { Told } from './told.js';

const shard = shardId('s');

/** A log in memory, and a journal whose end the spec moves. */
function world() {
  const seen = new Map<ShardId, number>();
  const state = { lastSeq: 100, published: [] as string[], alarms: 0 };
  const log = {
    noteSeen: async (of: ShardId, seq: number) => { seen.set(of, Math.max(seq, seen.get(of) ?? 0)); },
    highestSeen: (of: ShardId) => seen.get(of) ?? 0,
    checkRegression: (of: ShardId, last: number) => (last < (seen.get(of) ?? 0) ? refuse('broker-regressed', 'behind') : undefined),
  } as unknown as LocalLog;
  const told = new Told({ log, journal: { lastSeq: async () => state.lastSeq }, publish: (subject, payload) => { state.published.push(`${subject} ${payload}`); }, alarm: () => { state.alarms++; } });
  return { told, state };
}

describe('what the gateway has told', () => {
  it('is published up to where the slowest reader that catches up is', async () => {
    const { told, state } = world();
    await told.note(shard, 40);
    const reader = told.openReader(shard);
    reader.hold(7);
    told.publishMarks();
    reader.free();
    told.publishMarks();
    reader.hold(12);
    reader.close();
    told.publishMarks();
    expect(state.published).toEqual(['godwit.released.s 7', 'godwit.released.s 40', 'godwit.released.s 40']);
  });

  it('stops a shard for good when its journal ends below it, with one alarm and no more marks', async () => {
    const { told, state } = world();
    await told.note(shard, 90);
    state.lastSeq = 89;
    await told.checkAll();
    await told.checkAll();
    expect(state.alarms).toBe(1);
    expect(told.failing).toBe('behind');
    state.lastSeq = 500;
    await told.checkAll();
    await expect(told.guard(shard)).rejects.toMatchObject({ refusal: { code: 'broker-regressed' } });
    await expect(told.note(shard, 501)).rejects.toMatchObject({ refusal: { code: 'broker-regressed' } });
    told.publishMarks();
    expect(state.published).toEqual([]);
  });

  it('leaves other shards alone', async () => {
    const { told, state } = world();
    await told.note(shard, 90);
    state.lastSeq = 10;
    await told.checkAll();
    await expect(told.note(shardId('other'), 5)).resolves.toBeUndefined();
  });
});
