import { mkdtemp, open, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { shardId, threadId } from '@godwit/kernel';
import { openLocalLog } from './index.js';

const at = { shard: shardId('s'), thread: threadId('t1') };
const append = (seq: number, bytes = 8) => ({ subject: `godwit.t.s.t1.out.${seq}`, seq, payload: new Uint8Array(bytes).fill(seq) });

describe('the agent’s local log', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'godwit-log-')); path = join(folder, 'agent.log'); });
  afterEach(async () => { await rm(folder, { recursive: true }); });

  async function filled(): Promise<void> {
    await using log = await openLocalLog({ path });
    await log.noteEpoch(at, 1, 10);
    await Promise.all([log.noteAppend(at, append(11)), log.noteAppend(at, append(12)), log.noteSeen(at.shard, 40)]);
  }

  it('holds what was noted when it is opened again', async () => {
    await filled();
    await using log = await openLocalLog({ path });
    expect(log.newestEpoch(at)).toEqual({ epoch: 1, ownSeq: 10 });
    expect(log.appends(at)).toEqual([append(11), append(12)]);
    expect(log.highestSeen(at.shard)).toBe(40);
    expect(log.newestEpoch({ ...at, thread: threadId('t2') })).toBeUndefined();
  });

  it.each([1, 2])('goes on after a disk that refused %d writes in a row, with all that it knew', async (refusals) => {
    await filled();
    const log = await openLocalLog({ path });
    const probe = await open(path);
    const handle = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const full = jest.spyOn(handle, 'writeFile');
    const torn = jest.spyOn(handle, 'datasync').mockRejectedValueOnce(new Error('ENOSPC'));
    for (let i = 1; i < refusals; i++) full.mockRejectedValueOnce(new Error('ENOSPC'));
    try {
      for (let i = 0; i < refusals; i++) await expect(log.noteEpoch(at, 2 + i, 50 + i)).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('ENOSPC') });
      await Promise.all([log.noteEpoch(at, 9, 60), log.noteAppend(at, append(61))]);
      await log.noteSeen(at.shard, 70);
    } finally {
      torn.mockRestore();
      full.mockRestore();
      await log.close();
    }
    await using again = await openLocalLog({ path });
    expect(again.newestEpoch(at)).toEqual({ epoch: 9, ownSeq: 60 });
    expect(again.appends(at)).toEqual([append(11), append(12), append(61)]);
    expect(again.highestSeen(at.shard)).toBe(70);
  });

  it('notices a broker that went backwards, and only that', async () => {
    await filled();
    await using log = await openLocalLog({ path });
    expect(log.checkRegression(at.shard, 39)).toMatchObject({ refused: true, code: 'broker-regressed' });
    expect(log.checkRegression(at.shard, 40)).toBeUndefined();
    expect(log.checkRegression(shardId('other'), 0)).toBeUndefined();
  });

  it('keeps the appends above the last two checkpoints', async () => {
    await using log = await openLocalLog({ path });
    for (const seq of [11, 12, 14]) await log.noteAppend(at, append(seq));
    await log.noteCheckpoint(at, 13);
    expect(log.appends(at)).toHaveLength(3);
    await log.noteAppend(at, append(16));
    await log.noteCheckpoint(at, 15);
    expect(log.appends(at).map(({ seq }) => seq)).toEqual([14, 16]);
    await log.forget(at);
    expect(log.appends(at)).toEqual([]);
  });

  it('cuts off a torn last line at every length, and goes on behind it', async () => {
    await filled();
    const whole = await readFile(path);
    const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let length = lastLine; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      const torn = await openLocalLog({ path });
      expect(torn.newestEpoch(at)).toEqual({ epoch: 1, ownSeq: 10 });
      expect(torn.highestSeen(at.shard)).toBe(12);
      await torn.noteSeen(at.shard, 50);
      await torn.close();
      await using again = await openLocalLog({ path });
      expect(again.highestSeen(at.shard)).toBe(50);
    }
  });

  it('refuses a flipped bit before the last line', async () => {
    await filled();
    const bytes = await readFile(path);
    bytes[20]! ^= 1;
    await writeFile(path, bytes);
    await expect(openLocalLog({ path })).rejects.toMatchObject({ code: 'malformed-message' });
  });

  it('is rewritten when most of it is of no use any more, and loses nothing while notes are being made', async () => {
    const log = await openLocalLog({ path, compactAboveBytes: 20_000 });
    await log.noteEpoch(at, 3, 5);
    for (let seq = 10; seq < 400; seq += 10) {
      await Promise.all(Array.from({ length: 9 }, (_, i) => log.noteAppend(at, append(seq + i, 100))));
      await log.noteCheckpoint(at, seq + 9);
    }
    const kept = log.appends(at).map(({ seq }) => seq);
    expect(kept).toEqual([390, 391, 392, 393, 394, 395, 396, 397, 398]);
    await log.close();
    expect((await stat(path)).size).toBeLessThan(30_000);
    await using again = await openLocalLog({ path });
    expect(again.appends(at).map(({ seq }) => seq)).toEqual(kept);
    expect(again.newestEpoch(at)).toEqual({ epoch: 3, ownSeq: 5 });
    expect(again.highestSeen(at.shard)).toBe(399);
  });
});
