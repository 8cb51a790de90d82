/**
 * From phases to demand: propagates the probability of each phase over the horizon as a renewal process (a phase entered at
 * step u is still on at step t with its law's survival of t − u), and mixes the phases' demand by it.
 * Its arrays are made once: a path is computed every few steps of every thread.
 */
import { LEAST_DEMANDS } from './demand-profile.js';
import { MOST_PHASES, type Phase } from './phase.js';

/** The outlook is computed so many steps ahead; what lies beyond repeats the last. */
const MOST_STEPS = 128;
const STRIDE = MOST_STEPS + 1;
/** Chances below this are left out. */
const NEGLIGIBLE = 1e-4;

export interface OutlookRequest {
  readonly steps: number;
  /** How far demand is now from the mean of the present phase; share of it that persists per step, 0..1. */
  readonly deviation: number;
  readonly persistence: number;
}
type SwitchProbability = (from: number, to: number) => number;

export class PhaseOutlook {
  /** Which phases take part, and how many; everything below goes by their places in this list. */
  private readonly members = new Int32Array(MOST_PHASES);
  private size = 0;
  private readonly entries = new Float64Array(MOST_PHASES * STRIDE);
  private readonly chances = new Float64Array(MOST_PHASES * STRIDE);
  private readonly survivals = new Float64Array(MOST_PHASES * STRIDE);
  private readonly switches = new Float64Array(MOST_PHASES * MOST_PHASES);
  private readonly stays = new Float64Array(STRIDE);
  private readonly points: Float64Array;
  private readonly cumulatives: Float64Array;
  private readonly cumulativesBelow: Float64Array;
  private readonly mixed: Float64Array;
  private readonly mixedBelow: Float64Array;
  private pointCount = 0;

  constructor(private readonly levels: readonly number[]) {
    const most = MOST_PHASES * (levels.length + 2);
    this.points = new Float64Array(most);
    this.cumulatives = new Float64Array(most * MOST_PHASES);
    this.cumulativesBelow = new Float64Array(most * MOST_PHASES);
    this.mixed = new Float64Array(most);
    this.mixedBelow = new Float64Array(most);
  }

  /** Steps × levels quantiles; undefined where a phase that matters has no demand yet. */
  path(phases: readonly Phase[], switchProbability: SwitchProbability, request: OutlookRequest): Float64Array | undefined {
    const steps = Math.min(MOST_STEPS, Math.max(1, Math.floor(request.steps)));
    this.size = 0;
    for (let i = 0; i < phases.length; i++) {
      const { used, demand, probability } = phases[i]!;
      if (used && demand.size >= LEAST_DEMANDS) this.members[this.size++] = i;
      else if (used && probability > 0.5) return undefined;
    }
    if (this.size < 2) return undefined;
    this.prepare(phases, switchProbability, steps);
    for (let t = 1; t <= steps; t++) this.advance(phases, t);
    this.fillPoints(phases);
    const width = this.levels.length;
    const values = new Float64Array(Math.max(1, Math.floor(request.steps)) * width);
    let persisting = request.deviation;
    for (let t = 1; t <= steps; t++) {
      persisting *= request.persistence;
      this.writeRow(t, values, (t - 1) * width, this.stays[t]! * persisting);
    }
    for (let at = steps * width; at < values.length; at++) values[at] = values[at - width]!;
    return values;
  }

  private prepare(phases: readonly Phase[], switchProbability: SwitchProbability, steps: number): void {
    const { size, members } = this;
    this.entries.fill(0);
    this.stays.fill(0);
    for (let a = 0; a < size; a++) {
      const { dwell } = phases[members[a]!]!;
      for (let d = 0; d <= steps; d++) this.survivals[a * STRIDE + d] = dwell.survival(d);
      let known = 0;
      for (let b = 0; b < size; b++) if (b !== a) known += switchProbability(members[a]!, members[b]!);
      for (let b = 0; b < size; b++) this.switches[a * MOST_PHASES + b] = b === a || !(known > 0) ? 0 : switchProbability(members[a]!, members[b]!) / known;
    }
  }

  /** Fills the chance to be in each phase at step `t`, from the entries before it, and the entries at it. */
  private advance(phases: readonly Phase[], t: number): void {
    const { size, members, entries, chances, survivals } = this;
    let known = 0;
    for (let a = 0; a < size; a++) known += phases[members[a]!]!.probability;
    for (let a = 0; a < size; a++) {
      const { probability, ageSteps, dwell } = phases[members[a]!]!;
      const first = a * STRIDE;
      let [present, leaving] = [0, 0];
      const now = dwell.survival(ageSteps);
      if (probability > NEGLIGIBLE && now > 0) {
        const share = probability / known / now;
        present = share * dwell.survival(ageSteps + t);
        leaving = Math.max(0, share * dwell.survival(ageSteps + t - 1) - present);
        this.stays[t] = this.stays[t]! + present;
      }
      for (let u = 1; u < t; u++) {
        const sooner = survivals[first + t - u - 1]!;
        const later = survivals[first + t - u]!;
        const entered = entries[first + u]!;
        leaving += entered * (sooner - later);
        present += entered * later;
      }
      chances[first + t] = present;
      if (leaving > NEGLIGIBLE) for (let b = 0; b < size; b++) entries[b * STRIDE + t] = entries[b * STRIDE + t]! + leaving * this.switches[a * MOST_PHASES + b]!;
    }
    for (let a = 0; a < size; a++) chances[a * STRIDE + t] = chances[a * STRIDE + t]! + entries[a * STRIDE + t]!;
  }

  /** The corners of all members' distributions in order, and each member's cumulative share at them. */
  private fillPoints(phases: readonly Phase[]): void {
    const { size, members, points } = this;
    let count = 0;
    for (let a = 0; a < size; a++) {
      const { demand } = phases[members[a]!]!;
      points[count++] = demand.quantile(0);
      for (const level of this.levels) points[count++] = demand.quantile(level);
      points[count++] = demand.quantile(1);
    }
    points.subarray(0, count).sort();
    this.pointCount = count;
    for (let a = 0; a < size; a++) {
      const { demand } = phases[members[a]!]!;
      for (let p = 0; p < count; p++) {
        this.cumulatives[p * MOST_PHASES + a] = demand.cumulative(points[p]!);
        this.cumulativesBelow[p * MOST_PHASES + a] = demand.cumulativeBelow(points[p]!);
      }
    }
  }

  /** Inverts the mixture's distribution at every level: it rises in a line to each corner, and may jump there. */
  private writeRow(t: number, into: Float64Array, at: number, shift: number): void {
    const { size, pointCount, points, mixed, mixedBelow, chances, cumulatives, cumulativesBelow } = this;
    for (let p = 0; p < pointCount; p++) {
      let [sum, sumBelow] = [0, 0];
      for (let a = 0; a < size; a++) {
        const chance = chances[a * STRIDE + t]!;
        sum += chance * cumulatives[p * MOST_PHASES + a]!;
        sumBelow += chance * cumulativesBelow[p * MOST_PHASES + a]!;
      }
      mixed[p] = sum;
      mixedBelow[p] = sumBelow;
    }
    const last = pointCount - 1;
    let p = 0;
    for (let j = 0; j < this.levels.length; j++) {
      const wanted = this.levels[j]! * mixed[last]!;
      while (p < last && mixed[p]! < wanted) p++;
      const below = p === 0 ? points[0]! : points[p - 1]!;
      const low = p === 0 ? 0 : mixed[p - 1]!;
      const high = mixedBelow[p]!;
      const share = wanted < high && high > low ? Math.max(0, (wanted - low) / (high - low)) : 1;
      into[at + j] = Math.max(0, below + share * (points[p]! - below) + shift);
    }
  }
}
