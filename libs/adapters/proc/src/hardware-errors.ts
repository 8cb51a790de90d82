/**
 * Error counters of the hardware, as rates: memory (EDAC), disks (SCSI and SATA count failed commands), network interfaces,
 * and the processor's own count of slowing down for its temperature. What announces a failure before the failure.
 */
import { readdirSync } from 'node:fs';
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile, lastRead } from './kept-file.js';
import { Rate } from './rate.js';

interface Source {
  readonly metric: string;
  readonly files: readonly KeptFile[];
  readonly rate: Rate;
}

export const HARDWARE_ERROR_METRICS = [
  'cpu.thermal_throttles_per_second', 'errors.memory_corrected_per_second', 'errors.memory_uncorrected_per_second', 'errors.disk_per_second', 'errors.network_per_second',
] as const;

const LONGEST_NUMBER = 20;

export class HardwareErrors implements Collector {
  readonly name = 'hardware-errors';
  private readonly sources: readonly Source[];
  private readonly absent = new AbsenceList();

  constructor({ sysRoot }: Pick<CollectorContext, 'sysRoot'>) {
    const memory = children(`${sysRoot}/devices/system/edac/mc`, /^mc\d+$/);
    const cpus = children(`${sysRoot}/devices/system/cpu`, /^cpu\d+$/).map((cpu) => `${cpu}/thermal_throttle`);
    const interfaces = children(`${sysRoot}/class/net`, /^(?!lo$)/);
    const disks = children(`${sysRoot}/block`, /^(?:sd|hd)[a-z]+$/);
    this.sources = [
      this.source(HARDWARE_ERROR_METRICS[0], cpus, ['core_throttle_count'], `${sysRoot}/devices/system/cpu: the processor counts no thermal throttling`),
      this.source(HARDWARE_ERROR_METRICS[1], memory, ['ce_count'], `${sysRoot}/devices/system/edac/mc: the kernel watches no memory controller (EDAC)`),
      this.source(HARDWARE_ERROR_METRICS[2], memory, ['ue_count'], `${sysRoot}/devices/system/edac/mc: the kernel watches no memory controller (EDAC)`),
      this.source(HARDWARE_ERROR_METRICS[3], disks, ['device/ioerr_cnt'], `${sysRoot}/block: no disk here counts its errors`),
      this.source(HARDWARE_ERROR_METRICS[4], interfaces, ['statistics/rx_errors', 'statistics/tx_errors'], `${sysRoot}/class/net: no interface here counts its errors`),
    ];
  }

  private source(metric: string, folders: readonly string[], names: readonly string[], none: string): Source {
    // Which of them exist is a fact of the machine: one that has no such counter is never asked again.
    const files = folders.flatMap((folder) => names.map((name) => `${folder}/${name}`)).filter((path) => children(path.slice(0, path.lastIndexOf('/')), /./).includes(path));
    if (files.length === 0) this.absent.set(metric, none);
    return { metric, files: files.map((path) => new KeptFile(path)), rate: new Rate() };
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    for (const { metric, files, rate } of this.sources) {
      if (files.length === 0) continue;
      let sum = 0;
      let failed: string | undefined;
      for (const file of files) {
        const count = numberOf(file.readRecord(monotonicMs));
        if (Number.isNaN(count)) failed ??= file.failure ?? `${file.path}: not a number`;
        else sum += count;
      }
      this.absent.set(metric, failed);
      // A sum with a part missing would look like a reset, and then like a burst of errors.
      if (failed !== undefined) rate.reset();
      const perSecond = failed === undefined ? rate.next(sum, monotonicMs) : undefined;
      if (perSecond !== undefined) into[metric] = perSecond;
    }
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const { files } of this.sources) for (const file of files) file.close();
  }
}

/** The newest read as a whole number, decimal or as disks write it, hexadecimal (`0x1f`); NaN where it is none or was cut off. */
function numberOf(length: number): number {
  if (length <= 0 || length > LONGEST_NUMBER + 1) return Number.NaN;
  const text = lastRead().toString('latin1', 0, length);
  return /^(?:\d+|0x[0-9a-f]+)\n$/.test(text) ? Number(text.trim()) : Number.NaN;
}

function children(folder: string, name: RegExp): string[] {
  try {
    return readdirSync(folder).filter((child) => name.test(child)).sort().map((child) => `${folder}/${child}`);
  } catch {
    // No such class on this machine: no counters there.
    return [];
  }
}
