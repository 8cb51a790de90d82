import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isRefusal, threadId, type Sha256 } from '@godwit/kernel';
import { startTestRedis, type TestRedis } from '@godwit/testing';
import { Redis } from 'ioredis';
import { openCheckpointStore, type CheckpointPlace, type CheckpointStore } from './index.js';

const sha256 = (...parts: readonly Uint8Array[]): Sha256 => createHash('sha256').update(Buffer.concat(parts)).digest('hex') as Sha256;
const pattern = (bytes: number, seed = 1): Uint8Array => new Uint8Array(bytes).map((_, i) => (i * 31 + seed) ^ (i >> 8));

describe('checkpoints in Redis', () => {
  let server: TestRedis;
  let store: CheckpointStore;
  /** Looks and damages behind the store's back. */
  let raw: Redis;
  let threads = 0;
  beforeAll(async () => {
    server = await startTestRedis();
    store = await openCheckpointStore({ url: server.url });
    raw = new Redis(server.url, { disconnectTimeout: 500 });
  }, 60_000);
  afterAll(async () => {
    raw.disconnect();
    await store.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);

  const fresh = () => threadId(`t${++threads}`);
  async function written(parts: readonly Uint8Array[], k = 1, epoch = 1) {
    const thread = fresh();
    const place = await store.writeCheckpoint({ thread, epoch, k, parts, chunkBytes: 1_000, sha256 });
    if (isRefusal(place)) throw new Error(place.reason);
    return { thread, k, ...place };
  }

  it('come back byte for byte, whatever the parts', async () => {
    for (const lengths of [[0], [1], [999], [1_000], [1_001], [12, 0, 3_000, 5], [100, 900, 1_000, 1, 16_384 * 7]]) {
      const parts = lengths.map((length, i) => pattern(length, i));
      const place = await written(parts);
      expect(place).toMatchObject({ bytes: lengths.reduce((a, b) => a + b), chunks: Math.max(1, Math.ceil(lengths.reduce((a, b) => a + b) / 1_000)) });
      expect(Buffer.compare(await store.readCheckpoint(place) as Uint8Array, Buffer.concat(parts))).toBe(0);
    }
  });

  it('stand under keys that a cluster keeps together', async () => {
    const { thread } = await written([pattern(1_500)]);
    expect((await raw.keys(`godwit:{${thread}}:*`)).sort()).toEqual(['ck:1:0', 'ck:1:1', 'cks', 'epoch'].map((rest) => `godwit:{${thread}}:${rest}`));
  });

  const place = (thread: string, i: number): string => `godwit:{${thread}}:ck:1:${i}`;
  const damages: [what: string, damage: (thread: string) => Promise<unknown>, refusal: { reason: RegExp; field: string }][] = [
    ['a missing chunk', (thread) => raw.del(place(thread, 2)), { reason: /chunk 2 of 5 is missing/, field: 'chunks[2]' }],
    ['a truncated chunk', async (thread) => raw.set(place(thread, 1), (await raw.getBuffer(place(thread, 1)))!.subarray(0, 500)), { reason: /add up to \d+ bytes/, field: 'bytes' }],
    ['a chunk shorter than its digest', (thread) => raw.set(place(thread, 1), 'x'), { reason: /impossible length/, field: 'chunks[1]' }],
    ['a flipped bit', async (thread) => {
      const value = (await raw.getBuffer(place(thread, 3)))!;
      value[700]! ^= 1;
      return raw.set(place(thread, 3), value);
    }, { reason: /chunk 3 of 5 is altered/, field: 'chunks[3]' }],
    ['two chunks that changed places', async (thread) => {
      const [a, b] = [await raw.getBuffer(place(thread, 0)), await raw.getBuffer(place(thread, 1))];
      return raw.mset(place(thread, 0), b!, place(thread, 1), a!);
    }, { reason: /its digest is/, field: 'digest' }],
  ];
  it.each(damages)('are refused with %s', async (_what, damage, { reason, field }) => {
    const written5 = await written([pattern(4_500)]);
    await damage(written5.thread);
    expect(await store.readCheckpoint(written5)).toMatchObject({ refused: true, code: 'snapshot-damaged', reason: expect.stringMatching(reason), field });
  });

  it('are refused when they are not those of the manifest, before memory is taken', async () => {
    const there = await written([pattern(2_000)]);
    expect(await store.readCheckpoint({ ...there, bytes: 8 * 1024 ** 3 })).toMatchObject({ code: 'snapshot-damaged', field: 'bytes' });
    expect(await store.readCheckpoint({ ...there, bytes: 2 ** 60 })).toMatchObject({ code: 'invalid-field', field: 'bytes' });
    expect(await store.readCheckpoint({ ...there, k: 2 })).toMatchObject({ code: 'snapshot-damaged', field: 'chunks[0]' });
    expect(await store.readCheckpoint({ ...there, digest: 'f'.repeat(64) as Sha256 })).toMatchObject({ code: 'snapshot-damaged', field: 'digest' });
  });

  it('of an older epoch are refused and change nothing', async () => {
    const there = await written([pattern(3_000)], 1, 4);
    const late = { thread: there.thread, epoch: 3, parts: [pattern(3_000, 9)], chunkBytes: 1_000, sha256 };
    expect(await store.writeCheckpoint({ ...late, k: 1 })).toMatchObject({ refused: true, code: 'stale-epoch', field: 'epoch' });
    expect(await store.writeCheckpoint({ ...late, k: 2 })).toMatchObject({ code: 'stale-epoch' });
    expect(Buffer.compare(await store.readCheckpoint(there) as Uint8Array, pattern(3_000))).toBe(0);
    expect(await raw.hgetall(`godwit:{${there.thread}}:cks`)).toEqual({ 1: '3 1' });
  });

  it('are refused to whom the right was taken', async () => {
    const thread = fresh();
    expect(await store.grantEpoch(thread, 7)).toBeUndefined();
    expect(await store.grantEpoch(thread, 7)).toBeUndefined();
    expect(await store.grantEpoch(thread, 6)).toMatchObject({ code: 'stale-epoch' });
    expect(await store.writeCheckpoint({ thread, epoch: 6, k: 1, parts: [pattern(10)], sha256 })).toMatchObject({ code: 'stale-epoch' });
    expect(await store.writeCheckpoint({ thread, epoch: 7, k: 1, parts: [pattern(10)], sha256 })).toMatchObject({ chunks: 1 });
    expect(await store.grantEpoch(thread, 0)).toMatchObject({ code: 'invalid-field', field: 'epoch' });
  });

  it('below a number are removed, chunks and all, also those that were longer once', async () => {
    const { thread } = await written([pattern(9_500)]);
    const write = (k: number, bytes: number) => store.writeCheckpoint({ thread, epoch: 1, k, parts: [pattern(bytes)], chunkBytes: 1_000, sha256 });
    await write(1, 2_500);
    await write(2, 2_500);
    const third = await write(3, 2_500) as CheckpointPlace;
    expect(await store.removeBelow(thread, 3)).toEqual({ removed: 2 });
    expect((await raw.keys(`godwit:{${thread}}:ck:*`)).sort()).toEqual([0, 1, 2].map((i) => `godwit:{${thread}}:ck:3:${i}`));
    expect(isRefusal(await store.readCheckpoint({ thread, k: 3, ...third }))).toBe(false);
    expect(await store.removeBelow(thread, 3)).toEqual({ removed: 0 });
  });

  it('stay as long as a later one rests upon them', async () => {
    const { thread } = await written([pattern(1_500)]);
    const write = (k: number, base: number) => store.writeCheckpoint({ thread, epoch: 1, k, base, parts: [pattern(10, k)], chunkBytes: 1_000, sha256 });
    await write(2, 2);
    const places = [await write(3, 2), await write(4, 2)] as CheckpointPlace[];
    await write(5, 5);
    expect(await store.removeBelow(thread, 4)).toEqual({ removed: 1 });
    for (const [i, place] of places.entries()) expect(isRefusal(await store.readCheckpoint({ thread, k: 3 + i, ...place }))).toBe(false);
    expect((await raw.keys(`godwit:{${thread}}:ck:*`)).length).toBe(4);
    expect(await store.removeBelow(thread, 5)).toEqual({ removed: 3 });
    expect(await write(6, 7)).toMatchObject({ code: 'invalid-field', field: 'base' });
  });

  it('go on when the server was started again and has forgotten the scripts', async () => {
    const there = await written([pattern(2_500)]);
    await server.restart();
    expect(await store.writeCheckpoint({ thread: there.thread, epoch: 1, k: 2, parts: [pattern(2_500)], chunkBytes: 1_000, sha256 })).toMatchObject({ chunks: 3 });
    expect(isRefusal(await store.readCheckpoint(there))).toBe(false);
  });

  it('cannot be opened where no server is', async () => {
    await expect(openCheckpointStore({ url: 'redis://127.0.0.1:1' })).rejects.toMatchObject({ code: 'connection-lost', effect: 'none' });
  });
});
