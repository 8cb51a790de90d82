/**
 * The CPU clocks of one process's OS threads, from /proc/<pid>/task/<tid>/schedstat (nanoseconds on a CPU, nanoseconds
 * waiting for one). The thread list is read again only when the count in the stat line differs or a thread has ended.
 */
import { readdirSync } from 'node:fs';
import { KeptFile } from './kept-file.js';
import { Scanner } from './scanner.js';

export interface OsTask {
  readonly tid: number;
  readonly file: KeptFile;
  cpuNs: number;
}

const scanner = new Scanner();

export class OsTasks {
  readonly tasks = new Map<number, OsTask>();
  /** CPU time of the threads that have ended, as last read. */
  endedNs = 0;
  /** Why no clock of this process can be read (then none is tried again); `undefined` when one can. */
  failure: string | undefined;
  private newestFailure: string | undefined;
  private lost = true;
  private readonly folder: string;

  constructor(processFolder: string) {
    this.folder = `${processFolder}/task`;
  }

  /** Reads every clock. @param threadCount the number of threads that the process has now. @returns the sum with the ended, nanoseconds. */
  read(threadCount: number, monotonicMs: number): number {
    if (this.failure !== undefined) return this.endedNs;
    if (this.lost || threadCount !== this.tasks.size) this.list();
    let sumNs = 0;
    for (const task of this.tasks.values()) {
      scanner.begin(task.file.readRecord(monotonicMs));
      const cpuNs = scanner.integer();
      if (cpuNs < 0) {
        this.drop(task);
        continue;
      }
      if (cpuNs > task.cpuNs) task.cpuNs = cpuNs;
      sumNs += task.cpuNs;
    }
    if (this.tasks.size === 0 && this.newestFailure !== undefined) this.failure = this.newestFailure;
    return sumNs + this.endedNs;
  }

  close(): void {
    for (const task of this.tasks.values()) task.file.close();
    this.tasks.clear();
    this.lost = true;
  }

  private list(): void {
    let names: string[];
    try {
      names = readdirSync(this.folder);
    } catch {
      // The process is ending: its stat line, read next time, decides. The clocks known so far stay.
      return;
    }
    const listed = new Set<number>();
    for (const name of names) {
      const tid = Number(name);
      listed.add(tid);
      if (!this.tasks.has(tid)) this.tasks.set(tid, { tid, file: new KeptFile(`${this.folder}/${name}/schedstat`), cpuNs: 0 });
    }
    for (const task of this.tasks.values()) if (!listed.has(task.tid)) this.drop(task);
    this.lost = false;
  }

  private drop(task: OsTask): void {
    this.newestFailure = task.file.failure ?? `${task.file.path}: not a number of nanoseconds`;
    task.file.close();
    this.tasks.delete(task.tid);
    this.endedNs += task.cpuNs;
    this.lost = true;
  }
}
