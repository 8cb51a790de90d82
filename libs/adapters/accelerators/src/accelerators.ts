/** All accelerators of a machine as one collector; what an agent holds. */
import type { Absence, Collector } from '@godwit/telemetry';
import { ASICS } from './asics.js';
import { FPGAS } from './fpgas.js';
import { GPU_METRICS, NvidiaGpus, type NvidiaGpusOptions } from './nvidia-gpus.js';
import { SysfsCards } from './sysfs-cards.js';

export interface AcceleratorsOptions {
  readonly gpus?: NvidiaGpusOptions;
  readonly sysRoot?: string;
}

/** Metrics of all kinds, with `<n>` for the number of the card. */
export const ACCELERATOR_METRICS: readonly string[] = [
  ...GPU_METRICS.map((metric) => `gpu.<n>.${metric}`), ...[FPGAS, ASICS].flatMap(({ kind, metrics }) => metrics.map((metric) => `${kind}.<n>.${metric}`)),
];

/** Opens the collectors of all kinds; a machine without accelerators shows why in `absences()`. Ends its child on `close`. */
export function openAccelerators({ gpus = {}, sysRoot = '/sys' }: AcceleratorsOptions = {}): Collector {
  return new Accelerators([new NvidiaGpus(gpus), new SysfsCards(FPGAS, sysRoot), new SysfsCards(ASICS, sysRoot)]);
}

/** Stands for the accelerators of a machine that are not this device's; says why. */
export function withoutAccelerators(reason: string): Collector {
  const absences = ACCELERATOR_METRICS.map((metric) => ({ metric, reason }));
  return { name: 'accelerators', collect: () => undefined, absences: () => absences, close: () => undefined };
}

class Accelerators implements Collector {
  readonly name = 'accelerators';
  constructor(private readonly parts: readonly Collector[]) {}
  collect(monotonicMs: number, into: Record<string, number>): void {
    for (const part of this.parts) part.collect(monotonicMs, into);
  }
  absences(): readonly Absence[] {
    return this.parts.flatMap((part) => part.absences());
  }
  close(): void {
    for (const part of this.parts) part.close();
  }
}
