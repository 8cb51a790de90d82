/**
 * CPU of each OS thread of one process, so that a runner's worker can be told from its main thread: the main thread's id is
 * the pid; a worker learns its own from the link /proc/thread-self and can report it.
 * Not in `COLLECTORS`: it is opened for one pid at a time, when somebody looks.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import { KeptFile, readOnce } from './kept-file.js';
import { OsTasks, type OsTask } from './os-tasks.js';
import { Rate } from './rate.js';
import { Scanner } from './scanner.js';

/** One OS thread. A thread sets its own name after it has started, so the name is read again while it is young. */
export interface OsThread {
  readonly tid: number;
  readonly name: string;
  readonly isMain: boolean;
  /** CPU time since the thread began, seconds. */
  readonly cpuSeconds: number;
  /** CPU time per second of wall time between the last two readings; `undefined` before the second. */
  readonly cores: number | undefined;
}

const NAME_SETTLES_AFTER_MS = 2_000;
const NS_PER_SECOND = 1e9;
const CLOSE_PARENTHESIS = 0x29;
const FIELDS_BEFORE_THREADS = 17;

interface Watch {
  readonly metric: string;
  readonly rate: Rate;
  readonly seenMs: number;
  name: string;
  nameReadMs: number;
  cores: number | undefined;
}

export class OsThreads implements Collector {
  readonly name = 'os-threads';
  private readonly folder: string;
  private readonly stat: KeptFile;
  private readonly tasks: OsTasks;
  private readonly watches = new Map<OsTask, Watch>();
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  /** @param pid a living process; one that ends is reported through `absences`. */
  constructor(private readonly pid: number, procRoot = '/proc') {
    this.folder = `${procRoot}/${pid}`;
    this.stat = new KeptFile(`${this.folder}/stat`);
    this.tasks = new OsTasks(this.folder);
  }

  /** Puts `os_thread.<tid>.cpu.cores` for each thread; `threads()` gives the same with names. */
  collect(monotonicMs: number, into: Record<string, number>): void {
    const threadCount = this.threadCount(monotonicMs);
    if (threadCount > 0) this.tasks.read(threadCount, monotonicMs);
    else this.tasks.close();
    this.absent.set('os_thread.<tid>.cpu.cores', threadCount > 0 ? this.tasks.failure : (this.stat.failure ?? `${this.stat.path}: not a stat line`));
    for (const task of this.watches.keys()) if (this.tasks.tasks.get(task.tid) !== task) this.watches.delete(task);
    for (const task of this.tasks.tasks.values()) {
      const watch = this.watch(task, monotonicMs);
      watch.cores = watch.rate.next(task.cpuNs / NS_PER_SECOND, monotonicMs);
      if (watch.cores !== undefined) into[watch.metric] = watch.cores;
    }
  }

  /** The threads as of the last `collect`. */
  threads(): OsThread[] {
    return [...this.watches].map(([task, watch]) => ({
      tid: task.tid, name: watch.name, isMain: task.tid === this.pid, cpuSeconds: task.cpuNs / NS_PER_SECOND, cores: watch.cores,
    }));
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.tasks.close();
    this.stat.close();
    this.watches.clear();
  }

  private watch(task: OsTask, monotonicMs: number): Watch {
    let watch = this.watches.get(task);
    if (watch === undefined) {
      watch = {
        metric: `os_thread.${task.tid}.cpu.cores`, rate: new Rate(), seenMs: monotonicMs, name: '',
        nameReadMs: Number.NEGATIVE_INFINITY, cores: undefined,
      };
      this.watches.set(task, watch);
    }
    if (watch.nameReadMs - watch.seenMs < NAME_SETTLES_AFTER_MS) {
      const comm = readOnce(`${this.folder}/task/${task.tid}/comm`);
      if ('text' in comm) watch.name = comm.text.trimEnd();
      watch.nameReadMs = monotonicMs;
    }
    return watch;
  }

  private threadCount(monotonicMs: number): number {
    this.scanner.begin(this.stat.readRecord(monotonicMs));
    if (!this.scanner.more || !this.scanner.seekLast(CLOSE_PARENTHESIS)) return -1;
    this.scanner.skipFields(FIELDS_BEFORE_THREADS);
    return this.scanner.integer();
  }
}
