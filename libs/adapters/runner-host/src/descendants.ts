/** Processes that a runner started: the tree of a process thread. Other runtimes have none. */
import { readdirSync, readFileSync } from 'node:fs';

/** What is not there (any more), on a system without /proc too, has no children. */
const GONE = ['ENOENT', 'ESRCH'];
function orEmpty<T>(read: () => T, empty: T): T {
  try {
    return read();
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code ?? '')) return empty;
    throw error;
  }
}

function childrenOf(pid: number): number[] {
  const tasks = orEmpty(() => readdirSync(`/proc/${pid}/task`), []);
  return tasks.flatMap((task) => orEmpty(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1'), '').split(' ').filter((word) => word !== '').map(Number));
}

/** All that descend from `pid`, parents before children; not `pid` itself. */
export function descendantsOf(pid: number): number[] {
  const found = pid > 0 ? childrenOf(pid) : [];
  for (let i = 0; i < found.length; i++) found.push(...childrenOf(found[i]!));
  return found;
}

/** A tree that forks meanwhile has more members at the second look; more looks than this it cannot need once all are stopped. */
const MOST_LOOKS = 8;

/** Signals every descendant, also those that appear meanwhile. */
export function signalDescendants(pid: number, signal: NodeJS.Signals): void {
  const told = new Set<number>();
  for (let look = 0; look < MOST_LOOKS; look++) {
    const more = descendantsOf(pid).filter((descendant) => !told.has(descendant));
    if (more.length === 0) return;
    for (const descendant of more) {
      told.add(descendant);
      try {
        process.kill(descendant, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended meanwhile
      }
    }
  }
}
