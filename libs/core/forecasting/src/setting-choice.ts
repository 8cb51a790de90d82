/** Leads at which the settings of a model compete; a forecast uses the winner at the nearest of them. */
const CONTEST_LEADS = [1, 8, 32] as const;
/** Discount of past errors per step: half forgotten after 69 steps. */
const KEEP_RATIO = 0.99;

/** A family of point forecasters that differ in one setting. */
export interface SettingFamily {
  readonly count: number;
  /** Forecast of setting `index` for `lead` ≥ 1 steps ahead, from the newest value on. */
  pointAt(index: number, lead: number): number;
}

/** Chooses among settings by their discounted absolute errors, separately for short, middle and long leads. */
export class SettingChoice {
  private readonly losses: Float64Array;
  private readonly pending: Float64Array[];
  private readonly best = new Int32Array(CONTEST_LEADS.length);
  private stepsSeen = 0;

  constructor(private readonly family: SettingFamily, first: number) {
    this.losses = new Float64Array(CONTEST_LEADS.length * family.count);
    this.pending = CONTEST_LEADS.map((lead) => new Float64Array(lead * family.count).fill(NaN));
    this.best.fill(first);
  }

  /** Call before the family learns `value`. */
  settle(value: number): void {
    const { count } = this.family;
    for (let b = 0; b < CONTEST_LEADS.length; b++) {
      const slot = (this.stepsSeen % CONTEST_LEADS[b]!) * count;
      const pending = this.pending[b]!;
      if (Number.isNaN(pending[slot]!)) continue;
      let best = this.best[b]!;
      for (let m = 0; m < count; m++) {
        const at = b * count + m;
        this.losses[at] = this.losses[at]! * KEEP_RATIO + Math.abs(value - pending[slot + m]!);
      }
      for (let m = 0; m < count; m++) if (this.losses[b * count + m]! < this.losses[b * count + best]!) best = m;
      this.best[b] = best;
    }
  }

  /** Call after the family has learnt the newest value. */
  issue(): void {
    const { count } = this.family;
    for (let b = 0; b < CONTEST_LEADS.length; b++) {
      const lead = CONTEST_LEADS[b]!;
      const slot = (this.stepsSeen % lead) * count;
      for (let m = 0; m < count; m++) this.pending[b]![slot + m] = this.family.pointAt(m, lead);
    }
    this.stepsSeen++;
  }

  /** A step without a sample. */
  miss(): void {
    for (let b = 0; b < CONTEST_LEADS.length; b++) {
      const slot = (this.stepsSeen % CONTEST_LEADS[b]!) * this.family.count;
      this.pending[b]!.fill(NaN, slot, slot + this.family.count);
    }
    this.stepsSeen++;
  }

  /** The setting that did best lately about `lead` steps ahead. */
  bestFor(lead: number): number {
    return this.best[lead < 4 ? 0 : lead < 16 ? 1 : 2]!;
  }
}
