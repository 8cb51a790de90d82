import type { KindRecord } from './kind-memory.js';
import type { LeadGrid } from './lead-grid.js';
import { SIDES, type MemberLosses } from './member-losses.js';

/** Weights fall with this power of the loss. */
const SHARPNESS = 22;
/** The sharpness holds for so many losses; few of them tell models apart less sharply, by their square root. */
const FULL_LOSSES = 220;
const LEAST_LOSSES = 20;
/** The naive model, which is the first, is forgiven so much: what another gains over it by chance must not count. */
const NAIVE_BONUS = 0.02;
/** So many discounted losses at a lead count as much as what the shorter lead and the kind say; more where losses overlap. */
const INHERITED_LOSSES = 8;
const INHERITED_LOSSES_PER_LEAD = 1.5;
/** After so many losses at the shortest lead a model is heard in full; before the first it has this voice. */
const HEARD_LOSSES = 20;
const FIRST_VOICE = 0.02;
/** A weight below this is none: its model need not be asked. */
const LEAST_WEIGHT = 0.03;
/** What a model without any record is taken to lose beside the best one that is known, as a logarithm. */
const UNKNOWN_LOG_RATIO = 0.03;

/**
 * Weights of models per tracked lead, from their losses relative to the combination's at the same steps. Where a lead's own
 * losses are few, or overlap and so are few in truth, the ratio is drawn towards that of the next shorter lead, and at the
 * shortest to what the series of the kind have found.
 */
export class Weights {
  /** Side × tracked lead × model; at each side and lead they add up to 1. */
  readonly values: Float64Array;
  /** Logarithm of each model's drawn-in loss ratio, in the same order. */
  readonly logRatios: Float64Array;
  /** Whether a model has weight at any lead. */
  readonly used: Uint8Array;
  /** What a model without any record is taken to lose beside the combination, on the side at hand. */
  private unknown = UNKNOWN_LOG_RATIO;

  constructor(private readonly grid: LeadGrid, private readonly names: readonly { readonly name: string }[], private readonly kind: KindRecord | undefined) {
    this.values = new Float64Array(SIDES * grid.leads.length * names.length).fill(1 / names.length);
    this.logRatios = new Float64Array(this.values.length);
    this.used = new Uint8Array(names.length);
  }

  update(losses: MemberLosses, ready: Uint8Array): void {
    this.used.fill(0);
    for (let side = 0; side < SIDES; side++) {
      this.unknown = UNKNOWN_LOG_RATIO + this.bestKnown(side, losses);
      for (let i = 0; i < this.grid.leads.length; i++) {
        this.drawIn(side, i, losses);
        this.share(side * this.grid.leads.length + i, i, ready, losses);
      }
    }
  }

  /** The least log loss ratio at the shortest lead of the models that are known by now; 0 where none is. */
  private bestKnown(side: number, losses: MemberLosses): number {
    let best = Infinity;
    for (let m = 0; m < this.names.length; m++) {
      const cell = side * losses.masses.length + m;
      if (losses.masses[m]! < HEARD_LOSSES || !(losses.references[cell]! > 0)) continue;
      best = Math.min(best, Math.log(Math.max(1e-9, losses.losses[cell]! / losses.references[cell]!)));
    }
    return best === Infinity ? 0 : best;
  }

  private drawIn(side: number, i: number, losses: MemberLosses): void {
    const count = this.names.length;
    const inherited = INHERITED_LOSSES + INHERITED_LOSSES_PER_LEAD * this.grid.leads[i]!;
    for (let m = 0; m < count; m++) {
      const cell = i * (count + 1) + m;
      const mass = losses.masses[cell]!;
      const reference = losses.references[side * losses.masses.length + cell]!;
      const loss = losses.losses[side * losses.masses.length + cell]!;
      const prior = this.priorOf(side, i, m);
      let own = prior;
      if (mass > 0 && reference > 0) own = Math.log(Math.max(1e-9, loss / reference));
      else if (mass > 0 && loss > 0) own = 3;
      this.logRatios[(side * this.grid.leads.length + i) * count + m] = (mass * own + inherited * prior) / (mass + inherited);
    }
  }

  private priorOf(side: number, i: number, m: number): number {
    const shorter = i > 0 ? this.logRatios[(side * this.grid.leads.length + i - 1) * this.names.length + m]! : this.unknown;
    const known = this.kind?.countOf(this.names[m]!.name, i) ?? 0;
    if (known === 0) return shorter;
    const trust = known / (known + 20);
    const fromKind = this.kind!.logRatioOf(this.names[m]!.name, i);
    // At longer leads the shorter lead of this very series tells as much as its kind at this lead.
    return i === 0 ? trust * fromKind + (1 - trust) * shorter : (trust * fromKind + shorter) / (1 + trust);
  }

  private share(row: number, i: number, ready: Uint8Array, losses: MemberLosses): void {
    const { masses } = losses;
    const sharp = SHARPNESS * Math.sqrt((masses[i * (this.names.length + 1)]! + LEAST_LOSSES) / FULL_LOSSES);
    const count = this.names.length;
    let best = Infinity;
    for (let m = 0; m < count; m++) if (ready[m]) best = Math.min(best, this.logRatios[row * count + m]!);
    let sum = 0;
    for (let m = 0; m < count; m++) {
      // Who has just come is heard little until it has lost or won something, beside models that have.
      const heard = FIRST_VOICE + Math.min(1, masses[m]! / HEARD_LOSSES);
      const weight = ready[m] ? heard * Math.exp(-sharp * (this.logRatios[row * count + m]! - (m === 0 ? NAIVE_BONUS : 0) - best)) : 0;
      this.values[row * count + m] = weight;
      sum += weight;
    }
    let kept = 0;
    for (let m = 0; m < count; m++) {
      const at = row * count + m;
      if (this.values[at]! < LEAST_WEIGHT * sum) this.values[at] = 0;
      kept += this.values[at]!;
    }
    for (let m = 0; m < count; m++) {
      const at = row * count + m;
      this.values[at] = this.values[at]! / kept;
      if (this.values[at]! > 0) this.used[m] = 1;
    }
  }
}
