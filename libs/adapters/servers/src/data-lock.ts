/**
 * One user of a data folder at a time. The lock is a file that names its holder: pid, start time from /proc and boot id,
 * so that a recycled pid is not mistaken for it.
 *
 * 1. The lock file appears complete or not at all (`link` of a finished file).
 * 2. A lock of a dead holder is replaced (`rename`) only under a second lock beside it, taken in the same way,
 *    and only if it still names the holder that was found dead. So two takers cannot both win.
 *
 * Limit: holders in different PID namespaces (two containers on one folder) cannot see each other's life.
 */
import { link, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';

export interface DataLock {
  /** Ends the lock; a second call does nothing. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** Clock ticks from boot to the process's start; absent where there is no /proc. */
  readonly startTicks?: string;
  readonly bootId?: string;
}

const LOCK_NAME = '.godwit-lock';

/** Locks `dir` (made if missing) for this process, or refuses with `data-locked` and the holder's pid. */
export async function lockDataDir(dir: string): Promise<DataLock | Refusal> {
  await mkdir(dir, { recursive: true });
  return acquire(join(dir, LOCK_NAME), dir);
}

async function acquire(path: string, dir: string): Promise<DataLock | Refusal> {
  // The token tells two locks of one process apart, so that a late release cannot end the newer one.
  const token = randomBytes(8).toString('hex');
  const text = JSON.stringify({ ...await identify(process.pid), token });
  const draft = `${path}.${process.pid}-${token}`;
  await writeFile(draft, text);
  try {
    const held = await place(draft, path, dir);
    return isRefusal(held) ? held : { release: () => release(path, text) };
  } finally {
    await unlink(draft).catch(ignoreMissing);
  }
}

/** Puts `draft` at `path`, by `link` when it is free, by `rename` when its holder is dead. */
async function place(draft: string, path: string, dir: string): Promise<true | Refusal> {
  for (;;) {
    if (await linked(draft, path)) return true;
    const found = await readHolder(path);
    if (found === undefined) continue; // released meanwhile
    if (await isAlive(found)) return lockedBy(dir, found);
    const guard = await acquire(`${path}.takeover`, dir);
    if (isRefusal(guard)) return guard;
    try {
      const now = await readHolder(path);
      if (now === undefined) continue;
      if (!isSameHolder(now, found)) return lockedBy(dir, now);
      await rename(draft, path);
      return true;
    } finally {
      await guard.release();
    }
  }
}

const lockedBy = (dir: string, holder: Holder): Refusal =>
  refuse('data-locked', `the folder ${dir} is in use by process ${holder.pid}: stop that one, or use another folder`);

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function release(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) await unlink(path).catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

const isSameHolder = (a: Holder, b: Holder): boolean => a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;

/** The holder that the lock names; pid 0, which never lives, when its text is damaged; undefined when there is no lock. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const match = /"pid":(\d{1,10})\b/.exec(text);
  const startTicks = /"startTicks":"(\d+)"/.exec(text)?.[1];
  const bootId = /"bootId":"([\w-]+)"/.exec(text)?.[1];
  return { pid: Number(match?.[1] ?? 0), ...(startTicks === undefined ? {} : { startTicks }), ...(bootId === undefined ? {} : { bootId }) };
}

async function identify(pid: number): Promise<Holder> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
  // proc(5): the name may contain spaces and parentheses; state is the first field after it, starttime the 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTicks = fields[0] === 'Z' ? undefined : fields[19];
  return { pid, ...(startTicks === undefined ? {} : { startTicks }), ...(bootId === '' ? {} : { bootId }) };
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.pid === 0) return false;
  if (holder.startTicks !== undefined) return isSameHolder(await identify(holder.pid), holder);
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
