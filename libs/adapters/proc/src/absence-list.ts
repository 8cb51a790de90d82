/** Keeps one reason per absent metric. The list is built anew only when something changed. */
import type { Absence } from '@godwit/telemetry';

export class AbsenceList {
  private readonly reasons = new Map<string, string>();
  private built: readonly Absence[] | undefined;

  /** @param reason why the metric cannot be had now; `undefined` when it can. */
  set(metric: string, reason: string | undefined): void {
    if (this.reasons.get(metric) === reason) return;
    if (reason === undefined) this.reasons.delete(metric);
    else this.reasons.set(metric, reason);
    this.built = undefined;
  }

  list(): readonly Absence[] {
    this.built ??= [...this.reasons].map(([metric, reason]) => ({ metric, reason }));
    return this.built;
  }
}
