/**
 * The hottest sensor of /sys/class/thermal and /sys/class/hwmon, degrees Celsius. Sensors that answer with an error or
 * with a value that no machine survives (a driver's way to say "none") are passed over; if none is left, the reason is given.
 */
import { readdirSync } from 'node:fs';
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile } from './kept-file.js';
import { Scanner } from './scanner.js';

const METRIC = 'temperature.celsius';
const MILLI = 1000;
const COLDEST_CELSIUS = -60;
const HOTTEST_CELSIUS = 200;

export class Temperature implements Collector {
  readonly name = 'temperature';
  private readonly sensors: readonly KeptFile[];
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  constructor(context: Pick<CollectorContext, 'sysRoot'>) {
    const { sysRoot } = context;
    const zones = list(`${sysRoot}/class/thermal`).filter((name) => name.startsWith('thermal_zone')).map((name) => `${sysRoot}/class/thermal/${name}/temp`);
    const chips = list(`${sysRoot}/class/hwmon`).flatMap((chip) =>
      list(`${sysRoot}/class/hwmon/${chip}`).filter((name) => /^temp\d+_input$/.test(name)).map((name) => `${sysRoot}/class/hwmon/${chip}/${name}`));
    this.sensors = [...zones, ...chips].map((path) => new KeptFile(path));
    if (this.sensors.length === 0) this.absent.set(METRIC, `${sysRoot}/class/thermal and hwmon: this host has no sensor`);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    if (this.sensors.length === 0) return;
    let hottest = Number.NEGATIVE_INFINITY;
    let reason: string | undefined;
    for (const sensor of this.sensors) {
      this.scanner.begin(sensor.readRecord(monotonicMs));
      const celsius = this.scanner.decimal() / MILLI;
      if (celsius > COLDEST_CELSIUS && celsius < HOTTEST_CELSIUS) hottest = Math.max(hottest, celsius);
      else reason ??= sensor.failure ?? `${sensor.path}: ${celsius} °C is no temperature`;
    }
    const known = Number.isFinite(hottest);
    if (known) into[METRIC] = hottest;
    this.absent.set(METRIC, known ? undefined : reason);
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const sensor of this.sensors) sensor.close();
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // The class is missing when no driver of it is loaded: no sensor there.
    return [];
  }
}
