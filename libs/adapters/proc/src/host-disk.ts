/**
 * Bytes read from and written to storage, from /proc/diskstats (sectors of 512 bytes, whatever the disk's own are).
 * Counted are whole disks that lie on no other: a partition is inside its disk, a loop or mapped device (LVM, RAID) inside
 * what it is made of, and a RAM disk is no storage. /sys/block tells; where it is missing, partitions cannot be told apart
 * and the reason is given.
 */
import { existsSync, readdirSync } from 'node:fs';
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { failureOf, KeptFile } from './kept-file.js';
import { NamedRows, RowGrowth } from './named-rows.js';
import { Rate } from './rate.js';
import { Scanner } from './scanner.js';

const SECTOR_BYTES = 512;
const NO_STORAGE = /^(?:loop|ram|zram)\d+$/;
export const READ = 'disk.read_bytes_per_second';
export const WRITE = 'disk.write_bytes_per_second';

interface Disk {
  readonly counts: boolean;
  readonly read: RowGrowth;
  readonly written: RowGrowth;
}

export class HostDisk implements Collector {
  readonly name = 'disk';
  private readonly file: KeptFile;
  private readonly blockFolder: string;
  private readonly blockFailure: string | undefined;
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();
  private readonly rows = new NamedRows<Disk>(' ', (name) => ({ counts: this.isBottom(name), read: new RowGrowth(), written: new RowGrowth() }));
  private readonly readRate = new Rate();
  private readonly writeRate = new Rate();
  private readBytes = 0;
  private writtenBytes = 0;
  private round = 0;

  constructor(context: Pick<CollectorContext, 'procRoot' | 'sysRoot'>) {
    this.file = new KeptFile(`${context.procRoot}/diskstats`);
    this.blockFolder = `${context.sysRoot}/block`;
    this.blockFailure = existsSync(this.blockFolder) ? undefined : failureOf(this.blockFolder, { code: 'ENOENT' });
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    const { scanner } = this;
    const length = this.file.readWhole(monotonicMs);
    const failure = this.file.failure ?? this.blockFailure;
    this.absent.set(READ, failure);
    this.absent.set(WRITE, failure);
    if (failure !== undefined) {
      this.readRate.reset();
      this.writeRate.reset();
      return;
    }
    this.round += 1;
    scanner.begin(length);
    for (let row = 0; scanner.more; row += 1) {
      scanner.skipFields(2);
      scanner.skipBlanks();
      this.readRow(this.rows.next(scanner, row));
      scanner.nextLine();
    }
    const read = this.readRate.next(this.readBytes, monotonicMs);
    const written = this.writeRate.next(this.writtenBytes, monotonicMs);
    if (read !== undefined) into[READ] = read;
    if (written !== undefined) into[WRITE] = written;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.file.close();
  }

  /** reads merged sectors ms writes merged sectors ms … */
  private readRow(disk: Disk): void {
    if (!disk.counts) return;
    this.scanner.skipFields(2);
    const readSectors = this.scanner.integer();
    this.scanner.skipFields(3);
    const writtenSectors = this.scanner.integer();
    if (readSectors < 0 || writtenSectors < 0) return;
    this.readBytes += disk.read.since(readSectors, this.round) * SECTOR_BYTES;
    this.writtenBytes += disk.written.since(writtenSectors, this.round) * SECTOR_BYTES;
  }

  private isBottom(name: string): boolean {
    // The kernel writes the slash of a name such as cciss/c0d0 as an exclamation mark in /sys.
    const folder = `${this.blockFolder}/${name.replaceAll('/', '!')}`;
    if (NO_STORAGE.test(name) || !existsSync(folder)) return false;
    try {
      return readdirSync(`${folder}/slaves`).length === 0;
    } catch {
      // No such list: the device lies on nothing.
      return true;
    }
  }
}
