/**
 * Cards that sysfs shows, read at most once a second: what they tell changes slowly, and reading a sensor may take its board a
 * millisecond. Which cards there are is looked up again every minute, since they come and go with their drivers.
 */
import type { Absence, Collector } from '@godwit/telemetry';

/** One card, with what it can tell. */
export interface Card {
  /** Metric name after `<kind>.<n>.` to how it is read; undefined means that it was not read this time. */
  readonly readings: Readonly<Record<string, (monotonicMs: number) => number | undefined>>;
}

export interface CardKind {
  /** `fpga`, `asic`. */
  readonly kind: string;
  readonly metrics: readonly string[];
  /** The cards of this machine, in the same order each time. */
  readonly find: (sysRoot: string) => readonly Card[];
  /** Why there are none, for a person. */
  readonly none: (sysRoot: string) => string;
}

const READ_EVERY_MS = 1_000;
const FIND_EVERY_MS = 60_000;

export class SysfsCards implements Collector {
  readonly name: string;
  private cards: readonly Card[] = [];
  private values: Record<string, number> = {};
  private absent: readonly Absence[] = [];
  private readAtMs = Number.NEGATIVE_INFINITY;
  private foundAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly of: CardKind, private readonly sysRoot: string) {
    this.name = `${of.kind}s`;
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    if (monotonicMs - this.foundAtMs >= FIND_EVERY_MS) {
      this.cards = this.of.find(this.sysRoot);
      this.foundAtMs = monotonicMs;
    }
    if (monotonicMs - this.readAtMs >= READ_EVERY_MS) {
      this.read(monotonicMs);
      this.readAtMs = monotonicMs;
    }
    Object.assign(into, this.values);
  }

  private read(monotonicMs: number): void {
    const { kind, metrics, none } = this.of;
    this.values = {};
    if (this.cards.length === 0) {
      const reason = none(this.sysRoot);
      this.absent = metrics.map((metric) => ({ metric: `${kind}.<n>.${metric}`, reason }));
      return;
    }
    const absent: Absence[] = [];
    this.cards.forEach(({ readings }, n) => {
      for (const metric of metrics) {
        const value = readings[metric]?.(monotonicMs);
        if (value !== undefined && Number.isFinite(value)) this.values[`${kind}.${n}.${metric}`] = value;
        else absent.push({ metric: `${kind}.${n}.${metric}`, reason: readings[metric] === undefined ? 'the card’s driver does not tell it' : 'the card’s sensor gives no value' });
      }
    });
    this.absent = absent;
  }

  absences(): readonly Absence[] {
    return this.absent;
  }

  close(): void {
    this.cards = [];
  }
}
