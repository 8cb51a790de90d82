/**
 * The hottest sensor of /sys/class/thermal and /sys/class/hwmon, degrees Celsius, and what is left to the critical point of
 * the sensor that is nearest to its own (a trip point of the zone, temp<n>_crit of the chip; read once, they do not change).
 * Sensors that answer with an error or with a value that no machine survives (a driver's way to say "none") are passed over;
 * if none is left, the reason is given.
 */
import { readdirSync } from 'node:fs';
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { KeptFile, readOnce } from './kept-file.js';
import { Scanner } from './scanner.js';

const METRIC = 'temperature.celsius';
const MARGIN = 'temperature.margin_celsius';
const MILLI = 1000;
const COLDEST_CELSIUS = -60;
const HOTTEST_CELSIUS = 200;

interface Sensor {
  readonly file: KeptFile;
  /** NaN where it tells none. */
  readonly criticalCelsius: number;
}

export class Temperature implements Collector {
  readonly name = 'temperature';
  private readonly sensors: readonly Sensor[];
  private readonly scanner = new Scanner();
  private readonly absent = new AbsenceList();

  constructor(context: Pick<CollectorContext, 'sysRoot'>) {
    const { sysRoot } = context;
    const zones = list(`${sysRoot}/class/thermal`).filter((name) => name.startsWith('thermal_zone')).map((name) => `${sysRoot}/class/thermal/${name}`)
      .map((zone) => ({ file: new KeptFile(`${zone}/temp`), criticalCelsius: criticalTripOf(zone) }));
    const chips = list(`${sysRoot}/class/hwmon`).flatMap((chip) =>
      list(`${sysRoot}/class/hwmon/${chip}`).filter((name) => /^temp\d+_input$/.test(name)).map((name) => `${sysRoot}/class/hwmon/${chip}/${name}`))
      .map((path) => ({ file: new KeptFile(path), criticalCelsius: celsiusIn(path.replace(/_input$/, '_crit')) }));
    this.sensors = [...zones, ...chips];
    if (this.sensors.length === 0) this.absent.set(METRIC, `${sysRoot}/class/thermal and hwmon: this host has no sensor`);
    if (!this.sensors.some(({ criticalCelsius }) => !Number.isNaN(criticalCelsius))) this.absent.set(MARGIN, `${sysRoot}/class/thermal and hwmon: no sensor tells a critical point`);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    if (this.sensors.length === 0) return;
    let hottest = Number.NEGATIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    let reason: string | undefined;
    for (const { file, criticalCelsius } of this.sensors) {
      this.scanner.begin(file.readRecord(monotonicMs));
      const celsius = this.scanner.decimal() / MILLI;
      if (isTemperature(celsius)) {
        hottest = Math.max(hottest, celsius);
        if (!Number.isNaN(criticalCelsius)) least = Math.min(least, criticalCelsius - celsius);
      } else reason ??= file.failure ?? `${file.path}: ${celsius} °C is no temperature`;
    }
    const known = Number.isFinite(hottest);
    if (known) into[METRIC] = hottest;
    this.absent.set(METRIC, known ? undefined : reason);
    if (!this.sensors.some(({ criticalCelsius }) => !Number.isNaN(criticalCelsius))) return;
    if (Number.isFinite(least)) into[MARGIN] = least;
    this.absent.set(MARGIN, Number.isFinite(least) ? undefined : (reason ?? 'no sensor with a critical point gives a value'));
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const { file } of this.sensors) file.close();
  }
}

const isTemperature = (celsius: number): boolean => celsius > COLDEST_CELSIUS && celsius < HOTTEST_CELSIUS;

/** NaN where the file holds no temperature above freezing: drivers write 0 or less for "none". */
function celsiusIn(path: string): number {
  const read = readOnce(path);
  const celsius = 'text' in read && /^\d+\s*$/.test(read.text) ? Number(read.text) / MILLI : Number.NaN;
  return celsius > 0 && isTemperature(celsius) ? celsius : Number.NaN;
}

function criticalTripOf(zone: string): number {
  for (const name of list(zone)) {
    const trip = /^(trip_point_\d+)_type$/.exec(name)?.[1];
    const type = trip === undefined ? undefined : readOnce(`${zone}/${name}`);
    if (type !== undefined && 'text' in type && type.text.trim() === 'critical') return celsiusIn(`${zone}/${trip}_temp`);
  }
  return Number.NaN;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // The class is missing when no driver of it is loaded: no sensor there.
    return [];
  }
}
