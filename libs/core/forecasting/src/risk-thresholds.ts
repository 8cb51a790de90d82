/**
 * How likely an overload must be before it is acted on, per kind, as settled decisions teach: a migration that a forecast led to
 * and that did not help raises the threshold of its kind, one that helped lowers it a little. Rises are larger than falls, so
 * that a kind on which forecasts mislead is left alone quickly and trusted again slowly.
 *
 * 1. A threshold never leaves `least`..`most`. 2. At most `mostKinds` are kept; the one that was settled longest ago leaves, and
 * begins anew. 3. What a model's forecasts led to is counted by the model's name, weighted by its share of the forecast.
 */
import type { ModelShare } from './combination.js';

export interface RiskThresholdLimits {
  /** Where a kind begins, probability 0..1. */
  readonly initial: number;
  readonly least: number;
  readonly most: number;
  /** Share of the way to `most` that one decision without help goes. */
  readonly riseRatio: number;
  /** Share of the way to `least` that one decision that helped goes. */
  readonly fallRatio: number;
  readonly mostKinds: number;
}

export const RISK_THRESHOLD_LIMITS: RiskThresholdLimits = {
  initial: 0.3, least: 0.1, most: 0.9, riseRatio: 0.15, fallRatio: 0.03, mostKinds: 256,
};

/** What became of a decision that a forecast led to. */
export interface SettledForecast {
  /** Kind of the series whose risk led to it. */
  readonly kind: string;
  /** Whether the overload that was forecast would have come, or the move otherwise gained what it was made for. */
  readonly helped: boolean;
  /** The models that made the forecast. */
  readonly models: readonly ModelShare[];
}

/** Settled decisions that a model had part in, in shares of a decision. */
export interface ModelRecord { readonly helped: number; readonly misled: number }

const MOST_MODELS = 64;

export class RiskThresholds {
  private readonly thresholds = new Map<string, number>();
  private readonly records = new Map<string, { helped: number; misled: number }>();

  constructor(private readonly limits: RiskThresholdLimits = RISK_THRESHOLD_LIMITS) {}

  /** Probability above which an overload of this kind is acted on, 0..1. */
  of(kind: string): number {
    return this.thresholds.get(kind) ?? this.limits.initial;
  }

  settle({ kind, helped, models }: SettledForecast): void {
    const { least, most, riseRatio, fallRatio, mostKinds } = this.limits;
    const before = this.of(kind);
    const after = helped ? before - fallRatio * (before - least) : before + riseRatio * (most - before);
    this.thresholds.delete(kind);
    this.thresholds.set(kind, Math.min(most, Math.max(least, after)));
    if (this.thresholds.size > mostKinds) this.thresholds.delete(this.thresholds.keys().next().value!);
    for (const { name, weight } of models) this.note(name, weight, helped);
  }

  private note(model: string, weight: number, helped: boolean): void {
    let record = this.records.get(model);
    if (record === undefined) {
      if (this.records.size >= MOST_MODELS) return;
      this.records.set(model, (record = { helped: 0, misled: 0 }));
    }
    if (helped) record.helped += weight;
    else record.misled += weight;
  }

  /** What forecasts of a model led to so far; undefined before the first settled decision that it had part in. */
  recordOf(model: string): ModelRecord | undefined {
    const record = this.records.get(model);
    return record && { ...record };
  }
}
