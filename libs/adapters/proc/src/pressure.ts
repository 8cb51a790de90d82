/**
 * Pressure stall information: the share of the last ten seconds in which some task waited (PSI `some avg10`), from
 * /proc/pressure for a host, from the control group (v2) for a process tree. The kernel brings the averages up to date
 * every two seconds.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import { Scanner, word } from './scanner.js';

const SOME_AVG10 = word('some avg10=');
const PERCENT = 100;
const RESOURCES = ['cpu', 'memory', 'io'] as const;

interface Source {
  readonly metric: string;
  readonly file: KeptFile;
}

export class Pressure implements Collector {
  readonly name = 'pressure';
  private readonly sources: readonly Source[];
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  constructor(pathOf: (resource: string) => string) {
    this.sources = RESOURCES.map((resource) => ({ metric: `${resource}.pressure_ratio`, file: new KeptFile(pathOf(resource)) }));
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    for (const { metric, file } of this.sources) {
      this.scanner.begin(file.readRecord(monotonicMs));
      const percent = this.scanner.accept(SOME_AVG10) ? this.scanner.decimal() : Number.NaN;
      const known = Number.isFinite(percent);
      if (known) into[metric] = Math.min(1, percent / PERCENT);
      this.absent.set(metric, known ? undefined : (file.failure ?? `${file.path}: has no "some avg10"`));
    }
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const { file } of this.sources) file.close();
  }
}

export const hostPressure = ({ procRoot }: CollectorContext): Pressure => new Pressure((resource) => `${procRoot}/pressure/${resource}`);
export const groupPressure = (cgroupFolder: string): Pressure => new Pressure((resource) => `${cgroupFolder}/${resource}.pressure`);
