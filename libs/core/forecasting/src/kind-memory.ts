/**
 * What the series of a kind (a device kind, a thread type, a resource of either) have in common, and a new one borrows: how well
 * each model does at each lead, how intervals must be corrected, and how large moves are beside the level.
 *
 * Bounded: at most `mostKinds` records, the one used longest ago leaves. Series write into the record as they learn and read it
 * as they forecast; a series alone in its kind borrows from itself only, which changes little.
 */
import { trackedLeads } from './lead-grid.js';

/** So many observations of the relative spread are as good as any more. */
const SPREAD_WINDOW = 200;

export class KindRecord {
  /** Logarithms of interval factors, tracked lead × level. */
  readonly logFactors: Float64Array;
  /** Per model's name, logarithm of its loss relative to the combination's, by tracked lead. */
  private readonly relative = new Map<string, Float64Array>();
  private readonly counts = new Map<string, Float64Array>();
  private spreads = 0;
  private spreadSum = 0;

  constructor(private readonly leadCount: number, levelCount: number) {
    this.logFactors = new Float64Array(leadCount * levelCount);
  }

  /** Mean log loss ratio of a model at tracked lead `i`, and how many observations it rests on (discounted). */
  logRatioOf(model: string, i: number): number {
    return this.relative.get(model)?.[i] ?? 0;
  }
  countOf(model: string, i: number): number {
    return this.counts.get(model)?.[i] ?? 0;
  }

  /** A mature series tells how one model has done. @param mostCount so many observations weigh as much as any more. */
  report(model: string, i: number, logRatio: number, mostCount = 400): void {
    let means = this.relative.get(model);
    let counts = this.counts.get(model);
    if (!means || !counts) {
      if (this.relative.size >= MOST_MODELS) return;
      this.relative.set(model, (means = new Float64Array(this.leadCount)));
      this.counts.set(model, (counts = new Float64Array(this.leadCount)));
    }
    counts[i] = Math.min(mostCount, counts[i]! + 1);
    means[i] = means[i]! + (logRatio - means[i]!) / counts[i]!;
  }

  /** Mean |move| over |level|, 0..1 and more; null before anybody told. */
  get relativeSpread(): number | null {
    return this.spreads === 0 ? null : this.spreadSum;
  }
  reportSpread(ratio: number): void {
    if (!(ratio >= 0 && ratio < Infinity)) return;
    this.spreads = Math.min(SPREAD_WINDOW, this.spreads + 1);
    this.spreadSum += (Math.min(10, ratio) - this.spreadSum) / this.spreads;
  }
}

const MOST_MODELS = 32;

export class KindMemory {
  private readonly records = new Map<string, KindRecord>();
  private readonly leadCount: number;

  /** @param levelCount of the forecasts (9). @param maxHorizonSteps as of the series. */
  constructor(private readonly levelCount = 9, readonly maxHorizonSteps = 64, private readonly mostKinds = 256) {
    this.leadCount = trackedLeads(maxHorizonSteps).length;
  }

  get size(): number {
    return this.records.size;
  }

  /** The record of a kind, made when there is none. */
  of(kind: string): KindRecord {
    let record = this.records.get(kind);
    if (record) this.records.delete(kind);
    else record = new KindRecord(this.leadCount, this.levelCount);
    this.records.set(kind, record);
    if (this.records.size > this.mostKinds) for (const oldest of this.records.keys()) {
      this.records.delete(oldest);
      break;
    }
    return record;
  }
}
