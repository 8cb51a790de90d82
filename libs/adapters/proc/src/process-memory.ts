/**
 * Resident memory of a process tree. Resident sizes must not be added up: forty megabytes of each Node process are the
 * same pages of one binary. The exact answer is the proportional set size (PSS), but the kernel walks all pages of a
 * process for it (about a millisecond for a Node process). So at each reading: resident minus shared, from statm, which
 * costs a microsecond; plus the process's fair part of shared pages, PSS minus that, taken anew every ten seconds for a
 * few processes at a time.
 * Where smaps_rollup may not be read, that part is left out: the sum is then resident minus shared.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import type { ProcessTree, TrackedProcess } from './process-tree.js';
import { Scanner, word } from './scanner.js';

const PSS = word('\nPss:');
const PSS_EVERY_MS = 10_000;
const PSS_PER_COLLECT = 4;
const BYTES_PER_KIB = 1024;

interface Resident {
  readonly statm: KeptFile;
  readonly rollup: KeptFile;
  unsharedBytes: number;
  sharedPartBytes: number;
  pssDueMs: number;
}

export class ProcessMemory implements Collector {
  readonly name = 'memory';
  private readonly tree: ProcessTree;
  private readonly pageBytes: number;
  private readonly scanner = new Scanner();
  private readonly residents = new Map<TrackedProcess, Resident>();
  private readonly absent = new AbsenceList();

  constructor(context: Pick<CollectorContext, 'tree' | 'units'>) {
    this.tree = context.tree;
    this.pageBytes = context.units.pageBytes;
    this.absent.set('memory.capacity_bytes', 'the memory of a process tree is what the agent grants it, not what the host has');
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.tree.refresh(monotonicMs);
    for (const [process, resident] of this.residents) if (process.status !== 'alive') this.forget(process, resident);
    let pssLeft = PSS_PER_COLLECT;
    let bytes = 0;
    let failure = this.tree.failure;
    for (const process of this.tree.processes()) {
      const resident = this.residentOf(process);
      if (!this.readUnshared(resident, monotonicMs)) {
        if (resident.statm.failureCode !== 'ESRCH') failure ??= resident.statm.failure ?? `${resident.statm.path}: not three numbers`;
        continue;
      }
      if (pssLeft > 0 && monotonicMs >= resident.pssDueMs) {
        pssLeft -= 1;
        this.readSharedPart(resident, monotonicMs);
      }
      bytes += Math.max(0, resident.unsharedBytes + resident.sharedPartBytes);
    }
    this.absent.set('memory.bytes', failure);
    if (failure === undefined) into['memory.bytes'] = bytes;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const [process, resident] of this.residents) this.forget(process, resident);
  }

  /** statm: size resident shared …, in pages. */
  private readUnshared(resident: Resident, monotonicMs: number): boolean {
    const { scanner } = this;
    scanner.begin(resident.statm.readRecord(monotonicMs));
    scanner.skipFields(1);
    const residentPages = scanner.integer();
    const sharedPages = scanner.integer();
    if (residentPages < 0 || sharedPages < 0) return false;
    resident.unsharedBytes = Math.max(0, residentPages - sharedPages) * this.pageBytes;
    return true;
  }

  private readSharedPart(resident: Resident, monotonicMs: number): void {
    resident.pssDueMs = monotonicMs + PSS_EVERY_MS;
    this.scanner.begin(resident.rollup.readRecord(monotonicMs));
    // Not kept open: the file is bound to the memory of the program that ran when it was opened, and exec replaces that.
    resident.rollup.close();
    const pssKib = this.scanner.seek(PSS) ? this.scanner.integer() : -1;
    resident.sharedPartBytes = pssKib < 0 ? 0 : pssKib * BYTES_PER_KIB - resident.unsharedBytes;
  }

  private residentOf(process: TrackedProcess): Resident {
    let resident = this.residents.get(process);
    if (resident === undefined) {
      const { folder } = process;
      resident = {
        statm: new KeptFile(`${folder}/statm`), rollup: new KeptFile(`${folder}/smaps_rollup`),
        unsharedBytes: 0, sharedPartBytes: 0, pssDueMs: Number.NEGATIVE_INFINITY,
      };
      this.residents.set(process, resident);
    }
    return resident;
  }

  private forget(process: TrackedProcess, resident: Resident): void {
    resident.statm.close();
    this.residents.delete(process);
  }
}
