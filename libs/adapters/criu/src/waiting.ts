/**
 * Does the program wait for its next input? A record is handed over only when the one before was served, so that every
 * output names the record that caused it; and what a pipe's reader does shows only in /proc/PID/syscall.
 *
 * A write into a pipe makes its blocked reader runnable before the write returns, so a look after the write cannot take
 * the wait before it for the wait after it.
 */
import { statSync } from 'node:fs';
import { syscallOf, threadsOf, threadStatusOf } from './proc-tree.js';

/**
 * `reading`: all threads sleep, one of them reading the input. `polling`: all sleep, one in poll, select or epoll.
 * `asking-beside-work`: one reads or polls, another computes. `asleep`: all sleep in other calls (a ring, a timer).
 */
export type Wait = 'reading' | 'polling' | 'asking-beside-work' | 'asleep' | 'busy';

/** How long it must stay so before it counts as waiting, ms: exact answers at once, likely ones later. */
export const PATIENCE_MS: Readonly<Record<Wait, number>> = { reading: 0, polling: 0, 'asking-beside-work': 200, asleep: 20, busy: Infinity };

/**
 * One look at a whole tree takes time, and its parts are seen at different moments. The counts of context switches tell
 * whether a thread ran between two looks: if none did, all of them slept at one moment, the one between the looks.
 */
export interface Look {
  readonly wait: Wait;
  /** Equal for two looks between which nothing ran; undefined where one look is enough. */
  readonly switches: string | undefined;
}

interface CallNumbers {
  readonly read: readonly number[];
  readonly poll: readonly number[];
}
/** read, readv; poll, select, pselect6, epoll_wait, ppoll, epoll_pwait, epoll_pwait2, where the architecture has them. */
const CALLS: Readonly<Record<string, CallNumbers>> = {
  x64: { read: [0, 19], poll: [7, 23, 270, 232, 271, 281, 441] },
  arm64: { read: [63, 65], poll: [72, 73, 22, 441] },
};
const NO_CALLS: CallNumbers = { read: [], poll: [] };

function isInput(pid: number, fd: number, inputInode: number): boolean {
  try {
    return statSync(`/proc/${pid}/fd/${fd}`).ino === inputInode;
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false; // it ended meanwhile
    throw error;
  }
}

/** @param pids the program's processes, without the shell that waits for its end; none while it has not begun. */
export function lookAt(pids: readonly number[], inputInode: number): Look {
  const calls = CALLS[process.arch] ?? NO_CALLS;
  const threads = pids.flatMap((pid) => threadsOf(pid).map((tid) => ({ pid, tid })));
  const seen = { reads: false, polls: false, works: threads.length === 0 };
  const switches: string[] = [];
  for (const { pid, tid } of threads) {
    const status = threadStatusOf(pid, tid);
    if (!status || status.state === 'Z') continue;
    switches.push(`${tid} ${status.switches}`);
    // A thread that waits for a disk, or that has just been let go, works.
    const call = status.state === 'S' ? syscallOf(pid, tid) : 'running';
    if (call === 'running' || call === undefined) seen.works = true;
    else if (calls.read.includes(call.number)) seen.reads ||= isInput(pid, call.first, inputInode);
    else if (calls.poll.includes(call.number)) seen.polls = true;
  }
  const asks = seen.reads || seen.polls;
  const wait = seen.works ? (asks ? 'asking-beside-work' : 'busy') : seen.reads ? 'reading' : seen.polls ? 'polling' : 'asleep';
  return { wait, switches: threads.length > 1 && !seen.works ? switches.join() : undefined };
}

const QUICK_LOOKS = 30;
const SLOWEST_LOOK_MS = 5;

/** Looks until the program waits; often at first, since most records are served at once. */
export class WaitWatch {
  private round = 0;
  private watching = false;

  constructor(private readonly look: () => Look, private readonly onWaiting: () => void, private readonly nowMs: () => number) {}

  start(): void {
    if (this.watching) return;
    this.watching = true;
    const round = ++this.round;
    let before: Look | undefined;
    let sinceMs = 0;
    const step = (looks: number): void => {
      if (round !== this.round) return;
      const now = this.look();
      if (now.wait !== before?.wait) sinceMs = this.nowMs();
      const isStill = now.switches === undefined || now.switches === before?.switches;
      before = now;
      if (isStill && this.nowMs() - sinceMs >= PATIENCE_MS[now.wait]) {
        this.stop();
        this.onWaiting();
      } else if (looks < QUICK_LOOKS) setImmediate(step, looks + 1);
      else setTimeout(step, Math.min(SLOWEST_LOOK_MS, 1 + (looks - QUICK_LOOKS) / 10), looks + 1);
    };
    step(0);
  }

  stop(): void {
    this.watching = false;
    this.round++;
  }
}
