/** The share of enforcement periods in which the scope's control group (v1 or v2) had used up its quota, from its cpu.stat. */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import { KeptFile } from './kept-file.js';
import { Scanner, word } from './scanner.js';

const PERIODS = word('nr_periods ');
const THROTTLED = word('nr_throttled ');
const METRIC = 'cpu.throttled_ratio';

export class Throttling implements Collector {
  readonly name = 'throttling';
  private readonly file: KeptFile;
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();
  private periods = -1;
  private throttled = -1;

  constructor(cgroupFolder: string) {
    this.file = new KeptFile(`${cgroupFolder}/cpu.stat`);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.scanner.begin(this.file.readRecord(monotonicMs));
    const periods = this.scanner.seek(PERIODS) ? this.scanner.integer() : -1;
    const throttled = this.scanner.seek(THROTTLED) ? this.scanner.integer() : -1;
    const known = periods >= 0 && throttled >= 0;
    this.absent.set(METRIC, known ? undefined : (this.file.failure ?? `${this.file.path}: has no nr_periods; the group has no CPU controller`));
    if (known && this.periods >= 0 && periods >= this.periods && throttled >= this.throttled) {
      // Periods pass only while the group has something to run: none passed means that it was not held.
      const passed = periods - this.periods;
      into[METRIC] = passed === 0 ? 0 : Math.min(1, (throttled - this.throttled) / passed);
    }
    this.periods = known ? periods : -1;
    this.throttled = known ? throttled : -1;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.file.close();
  }
}
