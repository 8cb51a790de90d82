/** Memory of the whole machine, from /proc/meminfo. Used is MemTotal - MemAvailable: caches that can be given up do not count. */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import { Scanner, word } from './scanner.js';

const TOTAL = word('MemTotal:');
const AVAILABLE = word('MemAvailable:');
const BYTES_PER_KIB = 1024;

export class HostMemory implements Collector {
  readonly name = 'memory';
  private readonly file: KeptFile;
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  constructor(context: Pick<CollectorContext, 'procRoot'>) {
    this.file = new KeptFile(`${context.procRoot}/meminfo`);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.scanner.begin(this.file.readRecord(monotonicMs));
    const totalKib = this.scanner.seek(TOTAL) ? this.scanner.integer() : -1;
    const availableKib = this.scanner.seek(AVAILABLE) ? this.scanner.integer() : -1;
    const used = totalKib >= 0 && availableKib >= 0;
    if (used) into['memory.bytes'] = Math.max(0, totalKib - availableKib) * BYTES_PER_KIB;
    if (totalKib >= 0) into['memory.capacity_bytes'] = totalKib * BYTES_PER_KIB;
    this.absent.set('memory.bytes', used ? undefined : (this.file.failure ?? `${this.file.path}: has no MemAvailable`));
    this.absent.set('memory.capacity_bytes', totalKib >= 0 ? undefined : (this.file.failure ?? `${this.file.path}: has no MemTotal`));
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.file.close();
  }
}
