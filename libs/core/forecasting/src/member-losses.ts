import type { LeadGrid } from './lead-grid.js';

/** Levels are weighed in two groups: models differ in what they are good at. */
export const SIDES = 2;
/** Levels nearer than this to the median are inner ones. */
const INNER_REACH = 0.1;

/**
 * What the members of a combination forecast at the tracked leads, kept until the step that it was for has come, and what it then
 * cost: discounted pinball losses, and beside each the loss of the last member (the combination itself) at the same steps, so
 * that members which do not always answer can be compared. Fixed memory, 4 bytes a pending quantile.
 */
export class MemberLosses {
  /** Discounted sums per side × lead × member; side 0 the inner levels, which say where, side 1 the outer ones, which say how wide. */
  readonly losses: Float64Array;
  /** The combination's loss at the steps at which the member was charged. */
  readonly references: Float64Array;
  /** Discounted number of charges per lead × member. */
  readonly masses: Float64Array;
  private readonly pending: Float32Array[];
  private readonly charged: Float64Array;
  private readonly sideOf: Uint8Array;
  private stepsSeen = 0;

  constructor(private readonly grid: LeadGrid, private readonly levels: readonly number[], private readonly members: number) {
    this.losses = new Float64Array(SIDES * grid.leads.length * members);
    this.references = new Float64Array(SIDES * grid.leads.length * members);
    this.sideOf = Uint8Array.from(levels, (level) => (Math.abs(level - 0.5) < INNER_REACH ? 0 : 1));
    this.masses = new Float64Array(grid.leads.length * members);
    this.pending = Array.from(grid.leads, (lead, i) => new Float32Array((lead / grid.strides[i]!) * members * levels.length).fill(NaN));
    this.charged = new Float64Array(SIDES * members);
  }

  /** The group of each level. */
  get sides(): Uint8Array {
    return this.sideOf;
  }

  /** The quantiles of the last member that were for the step at hand, at tracked lead `i`: array and place; NaN where none. */
  pendingOf(i: number): Float32Array {
    return this.pending[i]!;
  }
  placeOf(i: number, member: number): number {
    return (((this.stepsSeen % this.grid.leads[i]!) / this.grid.strides[i]!) * this.members + member) * this.levels.length;
  }
  /** Whether the step at hand is one of those that are followed up at tracked lead `i`. */
  followed(i: number): boolean {
    return this.stepsSeen % this.grid.strides[i]! === 0;
  }

  /** Charges everybody for the step at hand. @param value relative to the origin. @param keep share of the past kept. */
  settle(value: number, keep: number): void {
    const width = this.levels.length;
    const last = this.members - 1;
    for (let i = 0; i < this.grid.leads.length; i++) {
      if (!this.followed(i)) continue;
      const stride = this.grid.strides[i]!;
      const kept = keep ** stride;
      const pending = this.pending[i]!;
      const from = this.placeOf(i, 0);
      if (Number.isNaN(pending[from + last * width]!)) continue;
      for (let m = 0; m <= last; m++) this.charge(m, pending, from + m * width, value);
      for (let m = 0; m <= last; m++) {
        if (Number.isNaN(this.charged[SIDES * m]!)) continue;
        const cell = i * this.members + m;
        this.masses[cell] = this.masses[cell]! * kept + stride;
        for (let side = 0; side < SIDES; side++) {
          const at = side * this.masses.length + cell;
          this.losses[at] = this.losses[at]! * kept + stride * this.charged[SIDES * m + side]!;
          this.references[at] = this.references[at]! * kept + stride * this.charged[SIDES * last + side]!;
        }
      }
    }
  }

  /** The member's mean pinball loss × 2 for this step, split by side; NaN where it said nothing. */
  private charge(m: number, pending: Float32Array, at: number, value: number): void {
    const { levels, sideOf, charged } = this;
    const width = levels.length;
    for (let side = 0; side < SIDES; side++) charged[SIDES * m + side] = Number.isNaN(pending[at]!) ? NaN : 0;
    for (let j = 0; j < width; j++) {
      const miss = value - pending[at + j]!;
      const loss = miss >= 0 ? levels[j]! * miss : (levels[j]! - 1) * miss;
      const cell = SIDES * m + sideOf[j]!;
      charged[cell] = charged[cell]! + (2 * loss) / width;
    }
  }

  /** Keeps what `member` forecasts now; `quantiles` undefined where it has nothing to say. */
  keep(member: number, quantiles: Float64Array | undefined, origin: number): void {
    const width = this.levels.length;
    for (let i = 0; i < this.grid.leads.length; i++) {
      if (!this.followed(i)) continue;
      const at = this.placeOf(i, member);
      const pending = this.pending[i]!;
      if (quantiles === undefined) pending.fill(NaN, at, at + width);
      else for (let j = 0; j < width; j++) pending[at + j] = quantiles[i * width + j]! - origin;
    }
  }

  /** The step at hand is done with. */
  advance(): void {
    this.stepsSeen++;
  }

  /** Steps without a sample: nothing is charged, nothing issued. */
  skip(steps: number): void {
    const size = this.members * this.levels.length;
    for (let left = Math.min(steps, this.grid.longest); left > 0; left--) {
      for (let i = 0; i < this.grid.leads.length; i++) {
        if (!this.followed(i)) continue;
        const at = this.placeOf(i, 0);
        this.pending[i]!.fill(NaN, at, at + size);
      }
      this.stepsSeen++;
    }
  }

  /** A member begins anew: neither its past losses nor what it has said so far count. */
  forget(member: number): void {
    for (let i = 0; i < this.grid.leads.length; i++) {
      const cell = i * this.members + member;
      for (let side = 0; side < SIDES; side++) {
        this.losses[side * this.masses.length + cell] = 0;
        this.references[side * this.masses.length + cell] = 0;
      }
      this.masses[cell] = 0;
      const width = this.levels.length;
      const pending = this.pending[i]!;
      for (let at = member * width; at < pending.length; at += this.members * width) pending.fill(NaN, at, at + width);
    }
  }

  /** Mean loss of a member over the first `leads` tracked leads, null before any was charged. */
  mean(member: number, leads: number): number | null {
    let sum = 0;
    let settled = 0;
    for (let i = 0; i < leads; i++) {
      const cell = i * this.members + member;
      if (this.masses[cell] === 0) continue;
      for (let side = 0; side < SIDES; side++) sum += this.losses[side * this.masses.length + cell]! / this.masses[cell]!;
      settled++;
    }
    return settled === 0 ? null : sum / settled;
  }
}
