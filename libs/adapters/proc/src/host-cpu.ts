/**
 * CPU time of the whole machine and of each CPU, from /proc/stat, in ticks of 10 ms: over 100 ms a core is known to a tenth.
 * Busy is user + nice + system + irq + softirq. Guests are inside user already; steal is time that another machine had.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import { Rate } from './rate.js';
import { Scanner, word } from './scanner.js';

const CPU = word('cpu');
const SPACE = word(' ');

interface Core {
  readonly metric: string;
  readonly rate: Rate;
}

export class HostCpu implements Collector {
  readonly name = 'cpu';
  private readonly file: KeptFile;
  private readonly scanner = new Scanner();
  private readonly total = new Rate();
  private readonly cores: Core[] = [];
  private readonly absent = new AbsenceList();
  private readonly ticksPerSecond: number;

  constructor(context: Pick<CollectorContext, 'procRoot' | 'units'>) {
    this.file = new KeptFile(`${context.procRoot}/stat`);
    this.ticksPerSecond = context.units.ticksPerSecond;
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    const { scanner } = this;
    scanner.begin(this.file.readRecord(monotonicMs));
    let online = 0;
    let totalSeen = false;
    while (scanner.accept(CPU)) {
      if (scanner.accept(SPACE)) {
        totalSeen = true;
        this.put(into, 'cpu.cores', this.total, this.busySeconds(), monotonicMs);
      } else {
        const core = this.core(scanner.integer());
        if (core === undefined) break;
        const busySeconds = this.busySeconds();
        if (busySeconds === undefined) break;
        this.put(into, core.metric, core.rate, busySeconds, monotonicMs);
        online += 1;
      }
      scanner.nextLine();
    }
    if (online > 0) into['cpu.capacity_cores'] = online;
    const reason = this.file.failure ?? `${this.file.path}: has no line of this kind`;
    this.absent.set('cpu.cores', totalSeen ? undefined : reason);
    this.absent.set('cpu.cores.<n>', online > 0 ? undefined : reason);
    this.absent.set('cpu.capacity_cores', online > 0 ? undefined : reason);
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    this.file.close();
  }

  private put(into: Record<string, number>, metric: string, rate: Rate, seconds: number | undefined, monotonicMs: number): void {
    const cores = seconds === undefined ? undefined : rate.next(seconds, monotonicMs);
    if (cores !== undefined) into[metric] = cores;
  }

  private core(number: number): Core | undefined {
    if (number < 0) return undefined;
    return (this.cores[number] ??= { metric: `cpu.cores.${number}`, rate: new Rate() });
  }

  /** user nice system idle iowait irq softirq … */
  private busySeconds(): number | undefined {
    const { scanner } = this;
    let ticks = 0;
    for (let field = 0; field < 7; field += 1) {
      const value = scanner.integer();
      if (value < 0) return undefined;
      if (field !== 3 && field !== 4) ticks += value;
    }
    return ticks / this.ticksPerSecond;
  }
}
