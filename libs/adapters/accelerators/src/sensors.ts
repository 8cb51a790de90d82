/** Small files of sysfs: numbers, words, and the sensors (hwmon) below a device. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';

const MILLI = 1_000;
const MICRO = 1_000_000;
/** Drivers hang their hwmon a few folders below the device, never deeper. */
const MOST_DEPTH = 4;
const MOST_FOLDERS = 512;
const COLDEST_CELSIUS = -60;
const HOTTEST_CELSIUS = 200;
const MOST_WATTS = 10_000;

/** The text of a small file without its line end; undefined where it cannot be read. */
export function textIn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // A sensor may come, go and refuse at any time: absent is what it is.
    return undefined;
  }
}

/** A whole number, negative ones too; NaN where the file holds none. */
export function numberIn(path: string): number {
  const text = textIn(path);
  return text !== undefined && /^-?\d{1,18}$/.test(text) ? Number(text) : Number.NaN;
}

export function children(folder: string, name: RegExp): string[] {
  try {
    return readdirSync(folder).filter((child) => name.test(child)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).map((child) => `${folder}/${child}`);
  } catch {
    // A class without a driver has no folder.
    return [];
  }
}

/** Where a link of sysfs leads; the path itself where it leads nowhere. */
export function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // A device that was just taken out.
    return path;
  }
}

export interface SensorFiles {
  /** Thousandths of a degree. */
  readonly temperatures: readonly string[];
  /** Millionths of a watt. */
  readonly powers: readonly string[];
}

/** The sensor files of every hwmon below a device. Links are not followed: sysfs is full of ways back up. */
export function sensorsBelow(device: string): SensorFiles {
  const [temperatures, powers]: [string[], string[]] = [[], []];
  let left = MOST_FOLDERS;
  const visit = (folder: string, depth: number): void => {
    if (depth > MOST_DEPTH || left-- <= 0) return;
    for (const entry of entriesOf(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path, depth + 1);
      else if (/\/hwmon\/hwmon\d+$/.test(folder)) {
        if (/^temp\d+_input$/.test(entry.name)) temperatures.push(path);
        else if (/^power\d+_(?:input|average)$/.test(entry.name)) powers.push(path);
      }
    }
  };
  visit(resolved(device), 0);
  return { temperatures, powers };
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Gone, or not ours to read: no sensors there.
    return [];
  }
}

/** The hottest of the sensors, degrees Celsius; undefined where none gives a value that a machine survives. */
export function hottest({ temperatures }: SensorFiles): number | undefined {
  const known = temperatures.map((path) => numberIn(path) / MILLI).filter((celsius) => celsius > COLDEST_CELSIUS && celsius < HOTTEST_CELSIUS);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** The largest of the power readings, watts: a board tells its own total beside those of its rails, and the total is the largest. */
export function boardWatts({ powers }: SensorFiles): number | undefined {
  const known = powers.map((path) => numberIn(path) / MICRO).filter((watts) => watts >= 0 && watts <= MOST_WATTS);
  return known.length === 0 ? undefined : Math.max(...known);
}
