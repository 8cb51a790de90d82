import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { lockDataDir, type DataLock } from './data-lock.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'godwit-lock-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function locked(): Promise<DataLock> {
  const lock = await lockDataDir(dir);
  if (isRefusal(lock)) throw new Error(lock.reason);
  return lock;
}

const holderText = async (changes: Readonly<Record<string, unknown>>): Promise<string> => {
  const lock = await locked();
  const holder = JSON.parse(await readFile(join(dir, '.godwit-lock'), 'utf8')) as Record<string, unknown>;
  await lock.release();
  return JSON.stringify({ ...holder, ...changes });
};

describe('the lock of a data folder', () => {
  it('refuses a second user and names the first one’s pid', async () => {
    await locked();
    const second = await lockDataDir(dir);
    expect(second).toMatchObject({ refused: true, code: 'data-locked', reason: expect.stringContaining(`process ${process.pid}`) });
  });

  it('is free again after its release, and leaves nothing behind', async () => {
    const first = await locked();
    await first.release();
    expect(await readdir(dir)).toEqual([]);
    const second = await locked();
    await first.release();
    expect(isRefusal(await lockDataDir(dir))).toBe(true); // the late release left the second lock alone
    await second.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('is taken over from a process that died', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await writeFile(join(dir, '.godwit-lock'), await holderText({ pid: child.pid }));
    const lock = await locked();
    expect(await readFile(join(dir, '.godwit-lock'), 'utf8')).toContain(`"pid":${process.pid}`);
    await lock.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('is not mistaken for that of a process that got the same pid later', async () => {
    await writeFile(join(dir, '.godwit-lock'), await holderText({ startTicks: '1' }));
    await (await locked()).release();
  });

  it('does not outlive the boot', async () => {
    await writeFile(join(dir, '.godwit-lock'), await holderText({ bootId: '00000000-0000-0000-0000-000000000000' }));
    await (await locked()).release();
  });

  it('is taken over when its text is damaged', async () => {
    await writeFile(join(dir, '.godwit-lock'), 'x');
    await (await locked()).release();
  });

  it('is won by one of many that find it stale at once', async () => {
    const stale = await holderText({ startTicks: '1' });
    for (let round = 0; round < 20; round++) {
      await writeFile(join(dir, '.godwit-lock'), stale);
      const answers = await Promise.all(Array.from({ length: 8 }, () => lockDataDir(dir)));
      const winners = answers.filter((answer): answer is DataLock => !isRefusal(answer));
      expect(winners).toHaveLength(1);
      await winners[0]!.release();
      expect(await readdir(dir)).toEqual([]);
    }
  });

  it('survives a taker that died in the middle of taking over', async () => {
    const stale = await holderText({ startTicks: '1' });
    await writeFile(join(dir, '.godwit-lock'), stale);
    await writeFile(join(dir, '.godwit-lock.takeover'), stale);
    await (await locked()).release();
    expect(await readdir(dir)).toEqual([]);
  });
});
