/**
 * Package power from the energy counters of RAPL (/sys/class/powercap/intel-rapl:<n>/energy_uj; AMD uses the same name).
 * The counter wraps at max_energy_range_uj, within minutes under load: a fall is taken as one wrap, and as a reset if
 * that would mean more than `MOST_WATTS`. Since 2020 kernels let only root read it.
 */
import { readdirSync } from 'node:fs';
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { failureOf, KeptFile, readOnce } from './kept-file.js';
import { Scanner } from './scanner.js';

const METRIC = 'power.watts';
const MICRO = 1e6;
const MOST_WATTS = 5_000;

interface Package {
  readonly file: KeptFile;
  /** Microjoules at which the counter starts again from 0; 0 when the kernel does not say. */
  readonly rangeMicrojoules: number;
  microjoules: number;
  readMs: number;
}

export class Power implements Collector {
  readonly name = 'power';
  private readonly packages: readonly Package[];
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  constructor(context: Pick<CollectorContext, 'sysRoot'>) {
    const folder = `${context.sysRoot}/class/powercap`;
    let zones: string[] = [];
    let reason = `${folder}: this host has no RAPL package`;
    try {
      zones = readdirSync(folder).filter((name) => /^intel-rapl:\d+$/.test(name)).sort();
    } catch (error) {
      reason = failureOf(folder, error);
    }
    this.packages = zones.map((zone) => `${folder}/${zone}`).filter(isPackage).map((zone) => ({
      file: new KeptFile(`${zone}/energy_uj`), rangeMicrojoules: rangeOf(zone), microjoules: -1, readMs: Number.NaN,
    }));
    if (this.packages.length === 0) this.absent.set(METRIC, reason);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    let watts = 0;
    let complete = this.packages.length > 0;
    for (const cpuPackage of this.packages) {
      const reading = this.watts(cpuPackage, monotonicMs);
      if (reading === undefined) complete = false;
      else watts += reading;
    }
    if (complete) into[METRIC] = watts;
    const failed = this.packages.find((cpuPackage) => cpuPackage.microjoules < 0)?.file;
    if (this.packages.length > 0) this.absent.set(METRIC, failed && (failed.failure ?? `${failed.path}: not a number`));
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const { file } of this.packages) file.close();
  }

  private watts(cpuPackage: Package, monotonicMs: number): number | undefined {
    this.scanner.begin(cpuPackage.file.readRecord(monotonicMs));
    const microjoules = this.scanner.integer();
    const before = cpuPackage.microjoules;
    const seconds = (monotonicMs - cpuPackage.readMs) / 1000;
    cpuPackage.microjoules = microjoules;
    cpuPackage.readMs = monotonicMs;
    if (microjoules < 0 || before < 0 || !(seconds > 0)) return undefined;
    const grown = microjoules >= before ? microjoules - before : microjoules - before + cpuPackage.rangeMicrojoules;
    const watts = grown / MICRO / seconds;
    return watts >= 0 && watts <= MOST_WATTS ? watts : undefined;
  }
}

function isPackage(zone: string): boolean {
  const name = readOnce(`${zone}/name`);
  return 'text' in name && name.text.startsWith('package');
}

function rangeOf(zone: string): number {
  const range = readOnce(`${zone}/max_energy_range_uj`);
  const microjoules = 'text' in range ? Number(range.text) : Number.NaN;
  return Number.isFinite(microjoules) ? microjoules : 0;
}
