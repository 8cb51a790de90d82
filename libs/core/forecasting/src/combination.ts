import { LeadGrid } from './lead-grid.js';
import type { Model, ModelDefinition, ModelOptions } from './model.js';

/** Discount of past losses per step: half forgotten after 138 steps. */
const KEEP_RATIO = 0.995;
/** Weights fall with this power of the loss: a model with a loss 10 % above the best gets about a third of its weight. */
const SHARPNESS = 12;
/** So many discounted losses at a lead count as much as the weights of the next shorter lead. */
const INHERITED_LOSSES = 8;

/** How much of a forecast a model made, and how well it has done lately. */
export interface ModelShare {
  readonly name: string;
  /** Share of the combined forecast, 0..1; the shares add up to 1. */
  readonly weight: number;
  /** Recent mean pinball loss over levels and leads, in the unit of the series, smaller is better; null before any forecast was settled. */
  readonly pinballLoss: number | null;
}

/**
 * Combines models by their past quantile loss.
 *
 * At each tracked lead every model's quantiles are kept until the step that they were for has come, then charged the pinball
 * loss averaged over the levels. Losses are discounted, so a model that becomes good gets weight within a minute or two of 1 s steps.
 * The combined quantile is the weighted mean of the models' quantiles (Vincent averaging): it cannot cross where they do not.
 * Weights depend on ratios of losses only, so neither unit nor origin matters.
 */
export class Combination implements Model {
  readonly name = 'combination';
  private readonly models: readonly Model[];
  private readonly grid: LeadGrid;
  private readonly leads: Int32Array;
  /** Per lead: lead × (models + 1) × levels quantiles, relative to `origin`; the last member is the combination itself. */
  private readonly pending: Float32Array[];
  private readonly losses: Float64Array;
  private readonly mass: Float64Array;
  private readonly weights: Float64Array;
  private readonly issued: Float64Array;
  private readonly combined: Float64Array;
  private scratch: Float64Array;
  private origin = NaN;
  private stepsSeen = 0;

  constructor(definitions: readonly ModelDefinition[], private readonly options: ModelOptions) {
    this.models = definitions.map((definition) => definition.create(options));
    this.grid = new LeadGrid(options.maxHorizonSteps);
    this.leads = this.grid.leads;
    const width = options.levels.length;
    const members = this.models.length + 1;
    this.pending = Array.from(this.leads, (lead) => new Float32Array(lead * members * width).fill(NaN));
    this.losses = new Float64Array(this.leads.length * members);
    this.mass = new Float64Array(this.leads.length);
    this.weights = new Float64Array(this.leads.length * this.models.length).fill(1 / this.models.length);
    this.issued = new Float64Array(this.leads.length * width);
    this.combined = new Float64Array(this.leads.length * width);
    this.scratch = new Float64Array(Math.max(options.maxHorizonSteps, this.leads.length) * width);
  }

  update(value: number): void {
    if (Number.isNaN(this.origin)) this.origin = value;
    this.settle(value);
    this.reweigh();
    this.combined.fill(0);
    const { leads, models } = this;
    for (let m = 0; m < models.length; m++) {
      models[m]!.update(value);
      models[m]!.forecast(leads, this.issued);
      this.accumulate(m, leads, this.issued, this.combined);
      this.keep(m, this.issued);
    }
    this.keep(models.length, this.combined);
    this.stepsSeen++;
  }

  skip(steps: number): void {
    for (const model of this.models) model.skip(steps);
    for (let left = Math.min(steps, this.grid.longest); left > 0; left--) {
      for (let i = 0; i < this.leads.length; i++) this.slot(i, this.pending[i]!, NaN);
      this.stepsSeen++;
    }
  }

  forecast(leads: Int32Array, into: Float64Array): void {
    const cells = leads.length * this.options.levels.length;
    if (this.scratch.length < cells) this.scratch = new Float64Array(cells);
    into.fill(0, 0, cells);
    for (let m = 0; m < this.models.length; m++) {
      this.models[m]!.forecast(leads, this.scratch);
      this.accumulate(m, leads, this.scratch, into);
    }
  }

  /** Each model's share and recent loss over the tracked leads up to `horizonSteps`, the heaviest first. */
  shares(horizonSteps: number): readonly ModelShare[] {
    const count = this.leadsWithin(horizonSteps);
    return this.models
      .map((model, m) => {
        let weight = 0;
        for (let i = 0; i < count; i++) weight += this.weights[i * this.models.length + m]! / count;
        return { name: model.name, weight, pinballLoss: this.meanLoss(m, count) };
      })
      .sort((a, b) => b.weight - a.weight);
  }

  /** The combination's own recent pinball loss over the tracked leads up to `horizonSteps`, null before any was settled. */
  recentLoss(horizonSteps: number): number | null {
    return this.meanLoss(this.models.length, this.leadsWithin(horizonSteps));
  }

  private leadsWithin(horizonSteps: number): number {
    let count = 1;
    while (count < this.leads.length && this.leads[count]! <= horizonSteps) count++;
    return count;
  }

  private meanLoss(member: number, leadCount: number): number | null {
    let sum = 0;
    let settled = 0;
    for (let i = 0; i < leadCount; i++) {
      if (this.mass[i] === 0) continue;
      sum += this.losses[i * (this.models.length + 1) + member]! / this.mass[i]!;
      settled++;
    }
    return settled === 0 ? null : sum / settled;
  }

  /** Fills the slot of the step at hand of lead `i`. */
  private slot(i: number, pending: Float32Array, value: number): void {
    const size = (this.models.length + 1) * this.options.levels.length;
    const at = (this.stepsSeen % this.leads[i]!) * size;
    pending.fill(value, at, at + size);
  }

  private keep(member: number, quantiles: Float64Array): void {
    const width = this.options.levels.length;
    const members = this.models.length + 1;
    for (let i = 0; i < this.leads.length; i++) {
      const at = ((this.stepsSeen % this.leads[i]!) * members + member) * width;
      const pending = this.pending[i]!;
      for (let j = 0; j < width; j++) pending[at + j] = quantiles[i * width + j]! - this.origin;
    }
  }

  private settle(value: number): void {
    const { levels } = this.options;
    const width = levels.length;
    const members = this.models.length + 1;
    const relative = value - this.origin;
    for (let i = 0; i < this.leads.length; i++) {
      const pending = this.pending[i]!;
      let at = (this.stepsSeen % this.leads[i]!) * members * width;
      if (Number.isNaN(pending[at]!)) continue;
      this.mass[i] = this.mass[i]! * KEEP_RATIO + 1;
      for (let m = 0; m < members; m++) {
        let loss = 0;
        for (let j = 0; j < width; j++, at++) {
          const miss = relative - pending[at]!;
          loss += miss >= 0 ? levels[j]! * miss : (levels[j]! - 1) * miss;
        }
        const cell = i * members + m;
        this.losses[cell] = this.losses[cell]! * KEEP_RATIO + (2 * loss) / width;
      }
    }
  }

  private reweigh(): void {
    const count = this.models.length;
    for (let i = 0; i < this.leads.length; i++) {
      const first = i * (count + 1);
      let best = Infinity;
      for (let m = 0; m < count; m++) best = Math.min(best, this.losses[first + m]!);
      let sum = 0;
      for (let m = 0; m < count; m++) {
        const loss = this.losses[first + m]!;
        const raw = loss <= best ? 1 : (best / loss) ** SHARPNESS;
        this.weights[i * count + m] = raw;
        sum += raw;
      }
      const own = this.mass[i]! / (this.mass[i]! + INHERITED_LOSSES);
      for (let m = 0; m < count; m++) {
        const inherited = i === 0 ? 1 / count : this.weights[(i - 1) * count + m]!;
        this.weights[i * count + m] = (own * this.weights[i * count + m]!) / sum + (1 - own) * inherited;
      }
    }
  }

  /** Adds model `m`'s quantiles to `into`, weighted as at the tracked leads around each lead. */
  private accumulate(m: number, leads: Int32Array, quantiles: Float64Array, into: Float64Array): void {
    const width = this.options.levels.length;
    const count = this.models.length;
    for (let k = 0; k < leads.length; k++) {
      const below = this.grid.below(leads[k]!);
      const share = this.grid.share(leads[k]!);
      const low = this.weights[below * count + m]!;
      const high = this.weights[Math.min(this.grid.top, below + 1) * count + m]!;
      const weight = low * (1 - share) + high * share;
      for (let at = k * width; at < (k + 1) * width; at++) into[at] = into[at]! + weight * quantiles[at]!;
    }
  }
}
