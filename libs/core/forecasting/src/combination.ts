/**
 * Combines models by their past quantile loss, and calibrates what comes out.
 *
 * At each tracked lead every member's quantiles are kept until the step that they were for has come, then charged the pinball
 * loss averaged over the levels (`member-losses.ts`). Losses are discounted, faster after a drift. The combined quantile is the
 * weighted mean of the models' quantiles (Vincent averaging), with weights of their own for the inner and the outer levels, then
 * its distances from the median are calibrated and the row is put in order (`calibration.ts`), so that quantiles never cross. Weights depend on ratios of losses only, so unit and origin do not matter.
 */
import { Abstention } from './abstention.js';
import { Calibration } from './calibration.js';
import { DriftDetector } from './drift.js';
import type { KindRecord } from './kind-memory.js';
import { LeadGrid } from './lead-grid.js';
import { nearestToMedian } from './levels.js';
import { MemberLosses, SIDES } from './member-losses.js';
import type { Model, ModelDefinition, ModelOptions } from './model.js';
import { RankCorrelation } from './rank-correlation.js';
import { SeasonDetector } from './season-detector.js';
import { Weights } from './weights.js';

/** Discount of past losses per step: half forgotten after 231 steps, and after 27 while a drift is fresh. */
const KEEP_RATIO = 0.997;
const DRIFT_KEEP_RATIO = 0.975;
/** Weights are renewed at every step of the first so many, then every so many. */
const OFTEN_STEPS = 48;
const WEIGH_EVERY_STEPS = 4;
/** Steps after which a series is mature: it tells its kind what it has found, every so many steps. */
const MATURE_STEPS = 100;
const REPORT_STEPS = 20;

/** How much of a forecast a model made, and how well it has done lately. */
export interface ModelShare {
  readonly name: string;
  /** Share of the combined forecast, 0..1; the shares add up to 1. */
  readonly weight: number;
  /** Recent mean pinball loss over levels and leads, in the unit of the series, smaller is better; null before any forecast was settled. */
  readonly pinballLoss: number | null;
}

export interface CombinationParts {
  /** Members that are kept elsewhere, such as the path of a neural model. */
  readonly guests?: readonly Model[];
  /** What the kind of the series knows; both read and written. */
  readonly kind?: KindRecord;
}

export class Combination implements Model {
  readonly name = 'combination';
  private readonly models: readonly Model[];
  private readonly grid: LeadGrid;
  private readonly leads: Int32Array;
  private readonly season: SeasonDetector;
  private readonly losses: MemberLosses;
  private readonly weights: Weights;
  private readonly calibration: Calibration;
  private readonly abstention: Abstention;
  private readonly median: number;
  private readonly drift = new DriftDetector();
  private readonly ranks: RankCorrelation;
  private readonly kind: KindRecord | undefined;
  private readonly able: Uint8Array;
  private readonly names: string[];
  private readonly issued: Float64Array;
  private readonly combined: Float64Array;
  private scratch: Float64Array;
  private origin = NaN;
  private last = NaN;
  private spread = 0;
  private learnt = 0;

  constructor(definitions: readonly ModelDefinition[], private readonly options: ModelOptions, parts: CombinationParts = {}) {
    this.season = options.shared?.season ?? new SeasonDetector();
    const own = { ...options, shared: { ...options.shared, season: this.season } };
    this.models = [...definitions.map((definition) => definition.create(own)), ...(parts.guests ?? [])];
    this.names = this.models.map(({ name }) => name);
    this.kind = parts.kind;
    this.grid = new LeadGrid(options.maxHorizonSteps);
    this.leads = this.grid.leads;
    const width = options.levels.length;
    this.losses = new MemberLosses(this.grid, options.levels, this.models.length + 1);
    this.weights = new Weights(this.grid, this.models, this.kind);
    this.calibration = new Calibration(this.grid, options.levels, this.kind);
    this.abstention = new Abstention(this.grid);
    this.median = nearestToMedian(options.levels);
    this.ranks = new RankCorrelation(options.levels);
    this.able = new Uint8Array(this.models.length);
    this.issued = new Float64Array(this.leads.length * width);
    this.combined = new Float64Array(this.leads.length * width);
    this.scratch = new Float64Array(Math.max(options.maxHorizonSteps, this.leads.length) * width);
    this.refreshWeights(true);
    this.calibration.refresh();
  }

  /** Steps from one season to the next, as detected; 0 for none. */
  get seasonSteps(): number {
    return this.season.period;
  }
  /** Whether the series changed its nature within the last minute of steps. */
  get drifting(): boolean {
    return this.drift.drifting;
  }
  /** Correlation of the ranks of neighbouring steps of one forecast, 0..1; null while too little is known. */
  get rankCorrelation(): number | null {
    return this.ranks.value;
  }

  update(value: number): void {
    if (Number.isNaN(this.origin)) this.origin = value;
    this.settle(value);
    if (this.options.shared?.season === undefined) this.season.update(value);
    this.calibration.refresh();
    this.combined.fill(0);
    for (const model of this.models) model.update(value);
    this.refreshWeights(this.learnt % (this.learnt < OFTEN_STEPS ? 1 : WEIGH_EVERY_STEPS) === 0);
    for (let m = 0; m < this.models.length; m++) {
      if (!this.able[m]) {
        this.losses.keep(m, undefined, 0);
        continue;
      }
      this.models[m]!.forecast(this.leads, this.issued);
      if (this.weights.used[m]) this.accumulate(m, this.leads, this.issued, this.combined);
      this.losses.keep(m, this.issued, this.origin);
    }
    this.abstention.issue(this.combined, this.options.levels.length, this.median, this.last);
    this.finish(this.leads, this.combined);
    this.losses.keep(this.models.length, this.combined, this.origin);
    this.losses.advance();
    this.learnt++;
    if (this.learnt >= MATURE_STEPS && this.learnt % REPORT_STEPS === 0) this.report();
  }

  skip(steps: number): void {
    if (this.options.shared?.season === undefined) this.season.skip(steps);
    for (const model of this.models) model.skip(steps);
    this.losses.skip(steps);
    this.abstention.skip(steps);
    this.ranks.skip();
    this.refreshWeights(false);
  }

  forecast(leads: Int32Array, into: Float64Array): void {
    const cells = leads.length * this.options.levels.length;
    if (this.scratch.length < cells) this.scratch = new Float64Array(cells);
    into.fill(0, 0, cells);
    for (let m = 0; m < this.models.length; m++) {
      if (!this.weights.used[m]) continue;
      this.models[m]!.forecast(leads, this.scratch);
      this.accumulate(m, leads, this.scratch, into);
    }
    this.finish(leads, into);
  }

  private finish(leads: Int32Array, rows: Float64Array): void {
    if (this.learnt > 0) this.abstention.apply(leads, rows, this.options.levels.length, this.median, this.last);
    this.calibration.apply(leads, rows);
  }

  /** A guest has new things to say: its readiness, and its record where its name has changed. */
  guestChanged(): void {
    for (let m = 0; m < this.models.length; m++) {
      if (this.models[m]!.name === this.names[m]) continue;
      this.names[m] = this.models[m]!.name;
      this.losses.forget(m);
    }
    this.refreshWeights(true);
  }

  /** Each ready model's share and recent loss over the tracked leads up to `horizonSteps`, the heaviest first. */
  shares(horizonSteps: number): readonly ModelShare[] {
    const count = this.leadsWithin(horizonSteps);
    const shares: ModelShare[] = [];
    for (let m = 0; m < this.models.length; m++) {
      if (!this.able[m]) continue;
      let weight = 0;
      for (let side = 0; side < SIDES; side++) {
        for (let i = 0; i < count; i++) weight += this.weights.values[(side * this.leads.length + i) * this.models.length + m]! / (SIDES * count);
      }
      shares.push({ name: this.models[m]!.name, weight, pinballLoss: this.losses.mean(m, count) });
    }
    return shares.sort((a, b) => b.weight - a.weight);
  }

  /** The combination's own recent pinball loss over the tracked leads up to `horizonSteps`, null before any was settled. */
  recentLoss(horizonSteps: number): number | null {
    return this.losses.mean(this.models.length, this.leadsWithin(horizonSteps));
  }

  private leadsWithin(horizonSteps: number): number {
    let count = 1;
    while (count < this.leads.length && this.leads[count]! <= horizonSteps) count++;
    return count;
  }

  private settle(value: number): void {
    const relative = value - this.origin;
    const own = this.models.length;
    for (let i = 0; i < this.leads.length; i++) {
      if (!this.losses.followed(i)) continue;
      const pending = this.losses.pendingOf(i);
      const at = this.losses.placeOf(i, own);
      if (Number.isNaN(pending[at]!)) continue;
      this.calibration.learn(i, pending, at, relative);
      if (i === 0) this.drift.update(Math.abs(relative - pending[at + this.median]!));
      if (this.leads[i] === RankCorrelation.LEAD) this.ranks.learn(pending, at, relative);
    }
    this.abstention.settle(value);
    this.losses.settle(relative, this.drift.drifting ? DRIFT_KEEP_RATIO : KEEP_RATIO);
    if (!Number.isNaN(this.last)) this.spread += (Math.abs(value - this.last) - this.spread) / Math.min(100, this.learnt + 1);
    this.last = value;
  }

  /** Weighs when it is due, and whenever a model becomes ready or stops being so. */
  private refreshWeights(due: boolean): void {
    let changed = due;
    for (let m = 0; m < this.models.length; m++) {
      const able = this.models[m]!.ready?.() === false ? 0 : 1;
      changed ||= able !== this.able[m];
      this.able[m] = able;
    }
    if (changed) this.weights.update(this.losses, this.able);
  }

  private report(): void {
    if (!this.kind) return;
    if (this.last !== 0) this.kind.reportSpread(this.spread / Math.abs(this.last));
    const count = this.models.length;
    for (let m = 0; m < count; m++) {
      for (let i = 0; i < this.leads.length; i++) {
        const cell = i * (count + 1) + m;
        const { masses, losses, references } = this.losses;
        if (masses[cell]! < this.leads[i]!) continue;
        let [own, whole] = [0, 0];
        for (let at = cell; at < losses.length; at += masses.length) {
          own += losses[at]!;
          whole += references[at]!;
        }
        if (whole > 0) this.kind.report(this.models[m]!.name, i, Math.log(Math.max(1e-3, own / whole)));
      }
    }
  }

  /** Adds model `m`'s quantiles to `into`, weighted as at the tracked leads around each lead. */
  private accumulate(m: number, leads: Int32Array, quantiles: Float64Array, into: Float64Array): void {
    const width = this.options.levels.length;
    const count = this.models.length;
    const weights = this.weights.values;
    const { sides } = this.losses;
    const outer = this.leads.length * count;
    for (let k = 0; k < leads.length; k++) {
      const low = this.grid.below(leads[k]!) * count + m;
      const share = this.grid.share(leads[k]!);
      const high = share === 0 ? low : low + count;
      const inside = weights[low]! * (1 - share) + weights[high]! * share;
      const outside = weights[outer + low]! * (1 - share) + weights[outer + high]! * share;
      if (inside === 0 && outside === 0) continue;
      for (let j = 0, at = k * width; j < width; j++, at++) into[at] = into[at]! + (sides[j] === 0 ? inside : outside) * quantiles[at]!;
    }
  }
}
