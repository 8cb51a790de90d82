/** Stands for readings that a scope cannot have, and says why. */
import type { Absence, Collector } from '@godwit/telemetry';

export class Unavailable implements Collector {
  private readonly reasons: readonly Absence[];

  constructor(readonly name: string, metrics: readonly string[], reason: string) {
    this.reasons = metrics.map((metric) => ({ metric, reason }));
  }

  /** Reads nothing: there is nothing to read. */
  collect(): void {}

  absences(): readonly Absence[] {
    return this.reasons;
  }

  close(): void {}
}
