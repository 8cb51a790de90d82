/** Processes as /proc shows them: who descends from whom, and who is gone. For specs about what is left behind. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** One process; its start time tells it from a later one with the same pid. */
export interface SeenProcess {
  readonly pid: number;
  /** Clock ticks from boot, see proc(5). */
  readonly startTicks: string;
  readonly command: string;
}

interface Entry extends SeenProcess {
  readonly parentPid: number;
}

async function entry(pid: number): Promise<Entry | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined); // gone meanwhile
  if (stat === undefined) return undefined;
  // The name may contain spaces and parentheses; after it come state, parent's pid, …, start time as the 20th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
  return { pid, parentPid: Number(fields[1]), startTicks: fields[19]!, command };
}

/** All living processes that `pid` started, and those that they started; not `pid` itself. */
export async function descendantsOf(pid: number): Promise<SeenProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const entries = (await Promise.all(pids.map(entry))).filter((seen) => seen !== undefined);
  const found: Entry[] = [];
  for (let parents = new Set([pid]); parents.size > 0;) {
    const children = entries.filter(({ parentPid }) => parents.has(parentPid));
    found.push(...children);
    parents = new Set(children.map((child) => child.pid));
  }
  return found;
}

/** Those of `processes` that still live after `limitMs`; empty as soon as all are gone. */
export async function leftOf(processes: readonly SeenProcess[], limitMs: number): Promise<SeenProcess[]> {
  const giveUpAtMs = performance.now() + limitMs;
  for (;;) {
    const now = await Promise.all(processes.map(({ pid }) => entry(pid)));
    const left = processes.filter((seen, index) => now[index]?.startTicks === seen.startTicks);
    if (left.length === 0 || performance.now() >= giveUpAtMs) return left;
    await delay(25);
  }
}
