/**
 * Bytes that a process tree had read from and written to storage, from /proc/<pid>/io. The kernel adds the counts of a
 * child to its parent when the parent waits for it, within the same numbers; `TreeCounter` keeps that from counting twice.
 * A write counts when a page becomes dirty, not when the disk has it.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { READ, WRITE } from './host-disk.js';
import { KeptFile } from './kept-file.js';
import type { ProcessTree, TrackedProcess } from './process-tree.js';
import { Rate } from './rate.js';
import { Scanner, word } from './scanner.js';
import { TreeCounter } from './tree-counter.js';

const READ_BYTES = word('\nread_bytes:');
const WRITE_BYTES = word('\nwrite_bytes:');

export class ProcessDisk implements Collector {
  readonly name = 'disk';
  private readonly tree: ProcessTree;
  private readonly scanner = new Scanner();
  private readonly files = new Map<TrackedProcess, KeptFile>();
  private readonly absent = new AbsenceList();
  private readonly read = new TreeCounter();
  private readonly written = new TreeCounter();
  private readonly readRate = new Rate();
  private readonly writeRate = new Rate();

  constructor(context: Pick<CollectorContext, 'tree'>) {
    this.tree = context.tree;
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.tree.refresh(monotonicMs);
    this.read.settle();
    this.written.settle();
    for (const [process, file] of this.files) if (process.status !== 'alive') this.forget(process, file);
    let failure = this.tree.failure;
    for (const process of this.tree.processes()) failure = this.readProcess(process, monotonicMs) ?? failure;
    this.absent.set(READ, failure);
    this.absent.set(WRITE, failure);
    const read = this.readRate.next(this.read.total, monotonicMs);
    const written = this.writeRate.next(this.written.total, monotonicMs);
    if (failure !== undefined) return;
    if (read !== undefined) into[READ] = read;
    if (written !== undefined) into[WRITE] = written;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const [process, file] of this.files) this.forget(process, file);
  }

  /** @returns why the process could not be read, unless it has just ended. */
  private readProcess(process: TrackedProcess, monotonicMs: number): string | undefined {
    const { scanner } = this;
    const file = this.fileOf(process);
    scanner.begin(file.readRecord(monotonicMs));
    const readBytes = scanner.seek(READ_BYTES) ? scanner.integer() : -1;
    const writtenBytes = scanner.seek(WRITE_BYTES) ? scanner.integer() : -1;
    if (readBytes < 0 || writtenBytes < 0) {
      return file.failureCode === 'ESRCH' ? undefined : (file.failure ?? `${file.path}: has no read_bytes and write_bytes`);
    }
    this.read.add(process, 0, readBytes);
    this.written.add(process, 0, writtenBytes);
    return undefined;
  }

  private fileOf(process: TrackedProcess): KeptFile {
    let file = this.files.get(process);
    if (file === undefined) {
      file = new KeptFile(`${process.folder}/io`);
      this.files.set(process, file);
    }
    return file;
  }

  private forget(process: TrackedProcess, file: KeptFile): void {
    file.close();
    this.files.delete(process);
  }
}
