/**
 * A hidden semi-Markov model of one thread's behaviour, learnt while it runs.
 *
 * States are phases: each has an emission (composition of the trace's counters, log of their rate), a law of how long it
 * lasts, switches to the others, and a profile of the demand in it. The filter is the forward recursion with the age of each
 * phase carried as its expectation: exact where phases are told apart surely, which is when ages matter. (Carrying the whole
 * distribution of ages costs a hundred times the memory for nothing that shows; a plain chain cannot expect a periodic switch.)
 *
 * 1. Memory is fixed, a step allocates nothing to keep: at most `MOST_PHASES` phases, a bounded table of names.
 * 2. The same steps give the same phases: no clock, no chance.
 * 3. A step that fits no phase teaches none. Steps that agree among themselves become a phase; phases that have become alike
 *    are merged; where all are in use the one least recently seen makes room.
 * 4. Steps without a trace are steps: time passes in the phase, and its end becomes likelier.
 */
import { createObservation } from './emission.js';
import { Newcomers } from './newcomers.js';
import { MOST_PHASES, Phase } from './phase.js';
import { PhaseOutlook } from './phase-outlook.js';
import { SiteTable, SLOTS, type Counter } from './site-table.js';

/** A step fits no phase when its misfit passes this, or so many times what is usual in the phase. */
const STRANGE = 14;
const STRANGE_RATIO = 5;
/** Phases nearer to each other than this are one. */
const SAME = 1.5;
const MERGE_EVERY_STEPS = 16;
/** The present phase changes when another is this probable. */
const SURE = 0.9;
/** Discount of past switches at each new one; and what each switch not seen counts. */
const KEEP_SWITCHES = 0.95;
const UNSEEN_SWITCHES = 0.2;
/** Probability of the unexpected at each step: keeps every phase possible. */
const SURPRISE = 1e-3;
/** Probabilities below this move nothing. */
const NEGLIGIBLE = 1e-9;
/** After a gap of so many steps nobody knows how long the phase has lasted. */
const LONG_GAP_STEPS = 30;
const FOLLOW_PERSISTENCE = 0.02;

export interface BehaviourOptions {
  /** Quantile levels of the demand path, in (0, 1), rising. */
  readonly levels: readonly number[];
  /** Where paths are computed; threads of one process share it, since it is forty kibibytes of scratch. Its own by default. */
  readonly outlook?: PhaseOutlook;
}

/** One step of the grid. */
export interface BehaviourStep {
  readonly counters: Iterable<Counter>;
  /** Time in which they were counted, milliseconds > 0. */
  readonly spanMs: number;
  /** Demand in the step, in the unit of the series; undefined where it is not known. */
  readonly demand?: number | undefined;
}

/** The phase that a thread is in, and what is expected next. Times are in steps. */
export interface PhaseEstimate {
  /** 0-based; stable while the phase is known. */
  readonly phase: number;
  /** The site, function or message kind that dominates it; with the rate where that tells it from another. */
  readonly label: string;
  /** 0..1. */
  readonly probability: number;
  /** Phases known of the thread. */
  readonly count: number;
  readonly ageSteps: number;
  /** Absent while no switch from here was seen. */
  readonly next?: {
    readonly phase: number;
    readonly label: string;
    /** That this one follows, 0..1. */
    readonly probability: number;
    /** Steps until the present phase is over with 10, 50 and 90 %; undefined beyond an hour of 1 s steps. */
    readonly inSteps: { readonly p10: number | undefined; readonly p50: number | undefined; readonly p90: number | undefined };
  };
}

/** Longest outlook on the end of a phase, steps. */
const MOST_REMAINING_STEPS = 3_600;

export class Behaviour {
  /** Made when they are first needed, then used again; most threads have one. */
  private readonly phases: Phase[] = [];
  private readonly sites = new SiteTable((slot) => this.clearSlot(slot));
  private readonly newcomers = new Newcomers();
  private readonly seen = createObservation();
  private readonly misfits = new Float64Array(MOST_PHASES);
  private readonly arrivals = new Float64Array(MOST_PHASES);
  private readonly outlook: PhaseOutlook;
  private present = -1;
  /** Whole steps since the present phase was entered; NaN where its beginning was not seen. */
  private dwellSteps = NaN;
  private stepsSeen = 0;
  private deviation = 0;
  private deviationPower = 0;
  private deviationProduct = 0;

  constructor(options: BehaviourOptions) {
    this.outlook = options.outlook ?? new PhaseOutlook(options.levels);
  }

  /** Phases told apart so far. */
  get count(): number {
    let count = 0;
    for (const { used } of this.phases) if (used) count++;
    return count;
  }

  /** Index of the phase that the thread is in; -1 before the first step. */
  get presentPhase(): number {
    return this.present;
  }

  /** Takes one step. A span that is not positive makes it a step without a trace. */
  observe({ counters, spanMs, demand }: BehaviourStep): void {
    if (!(spanMs > 0) || !Number.isFinite(spanMs)) return this.skip(1);
    this.stepsSeen++;
    this.seen.count = this.sites.read(counters, this.seen.shares);
    this.seen.logRate = Math.log1p((this.seen.count * 1_000) / spanMs);
    if (this.present < 0) this.begin();
    this.predict();
    const best = this.compare();
    const strange = this.misfits[best]! > this.strangeFor(best);
    if (strange) this.meetStranger(best);
    else this.correct();
    this.settlePresent();
    if (!strange && demand !== undefined && Number.isFinite(demand)) this.learnDemand(demand);
    if (this.stepsSeen % MERGE_EVERY_STEPS === 0) this.mergeAlike();
  }

  /** Steps without a trace. */
  skip(steps: number): void {
    if (this.present < 0 || !(steps > 0)) return;
    const most = Math.min(steps, LONG_GAP_STEPS + 1);
    for (let i = 0; i < most; i++) this.predict();
    this.stepsSeen += steps;
    this.dwellSteps = steps > LONG_GAP_STEPS ? NaN : this.dwellSteps + steps;
  }

  /** Undefined before the first step. */
  estimate(): PhaseEstimate | undefined {
    const phase = this.phases[this.present];
    if (phase === undefined) return undefined;
    const present = { phase: this.present, label: this.label(this.present), probability: phase.probability, count: this.count, ageSteps: Math.round(phase.ageSteps) };
    const following = this.likelyAfter(this.present);
    if (following === undefined || phase.dwell.completed === 0) return present;
    const inSteps = (probability: number): number | undefined => phase.dwell.remaining(phase.ageSteps, probability, MOST_REMAINING_STEPS);
    return { ...present, next: { ...following, label: this.label(following.phase), inSteps: { p10: inSteps(0.1), p50: inSteps(0.5), p90: inSteps(0.9) } } };
  }

  /**
   * Demand over the next `steps` steps: steps × levels quantiles of the mixture of the phases' demands, each phase weighted by
   * the probability to be in it then. Undefined while there is only one phase, or one of which no demand is known: it would
   * say nothing that the series does not know.
   */
  demandPath(steps: number): Float64Array | undefined {
    if (this.count < 2) return undefined;
    const persistence = this.deviationPower > 0 ? Math.min(0.99, Math.max(0, this.deviationProduct / this.deviationPower)) : 0;
    return this.outlook.path(this.phases, (from, to) => this.switchProbability(from, to), { steps, deviation: this.deviation, persistence });
  }

  private begin(): void {
    const first = new Phase();
    first.restart();
    first.emission.restart(this.seen);
    first.probability = 1;
    this.phases.push(first);
    this.present = 0;
  }

  /** One step on without looking: α'ⱼ = αⱼ (1 − hⱼ) + Σᵢ αᵢ hᵢ tᵢⱼ, h being the chance that a phase of this age ends. */
  private predict(): void {
    const { count } = this;
    if (count === 1) {
      this.phases[this.present]!.ageSteps++;
      return;
    }
    this.arrivals.fill(0);
    for (let i = 0; i < this.phases.length; i++) {
      const phase = this.phases[i]!;
      if (!phase.used || phase.probability < NEGLIGIBLE) continue;
      const before = phase.dwell.survival(phase.ageSteps);
      const ends = before > 0 ? Math.min(1, Math.max(0, 1 - phase.dwell.survival(phase.ageSteps + 1) / before)) : 1;
      const leaving = phase.probability * ends;
      for (let j = 0; j < this.phases.length; j++) if (j !== i) this.arrivals[j] = this.arrivals[j]! + leaving * this.switchProbability(i, j);
      phase.probability -= leaving;
    }
    for (let j = 0; j < this.phases.length; j++) {
      const phase = this.phases[j]!;
      if (!phase.used) continue;
      const arriving = this.arrivals[j]! * (1 - SURPRISE) + SURPRISE / count;
      const staying = phase.probability * (1 - SURPRISE);
      phase.ageSteps = (staying * (phase.ageSteps + 1) + arriving) / (staying + arriving);
      phase.probability = staying + arriving;
    }
  }

  /** Fills the misfits; answers the phase that fits best. */
  private compare(): number {
    let best = this.present;
    for (let i = 0; i < this.phases.length; i++) {
      const { used, emission } = this.phases[i]!;
      this.misfits[i] = used ? emission.misfitOf(this.seen) : Infinity;
    }
    for (let i = 0; i < this.phases.length; i++) if (this.misfits[i]! < this.misfits[best]!) best = i;
    return best;
  }

  private strangeFor(phase: number): number {
    return Math.max(STRANGE, STRANGE_RATIO * this.phases[phase]!.emission.misfit);
  }

  private meetStranger(best: number): void {
    const met = this.newcomers.take(this.seen, this.stepsSeen, this.strangeFor(best));
    // A thread whose steps never agree is one wavering phase, and its tolerance grows.
    if (met === 'alone') this.phases[best]!.emission.waver(Math.min(this.misfits[best]!, 4 * this.strangeFor(best)), 1);
    if (typeof met === 'string') return;
    const slot = this.freeSlot();
    const phase = this.phases[slot]!;
    phase.restart();
    phase.emission.restart(met.phase);
    phase.emission.steps = 3;
    for (const other of this.phases) {
      other.probability = 0;
      other.switches[slot] = 0;
    }
    phase.probability = 1;
    phase.ageSteps = met.run;
    this.enter(slot, met.run);
  }

  /** An unused phase, or the one not seen for longest. */
  private freeSlot(): number {
    const free = this.phases.findIndex(({ used }) => !used);
    if (free >= 0) return free;
    if (this.phases.length < MOST_PHASES) return this.phases.push(new Phase()) - 1;
    let oldest = this.present === 0 ? 1 : 0;
    for (let i = 0; i < this.phases.length; i++) if (i !== this.present && this.phases[i]!.lastSeenStep < this.phases[oldest]!.lastSeenStep) oldest = i;
    return oldest;
  }

  /** Bayes' rule, and what the step teaches each phase. */
  private correct(): void {
    let top = -Infinity;
    for (let i = 0; i < this.phases.length; i++) {
      const { used, emission } = this.phases[i]!;
      if (used) top = Math.max(top, emission.logLikelihood(this.misfits[i]!, this.seen.count));
    }
    let sum = 0;
    for (let i = 0; i < this.phases.length; i++) {
      const phase = this.phases[i]!;
      if (!phase.used) continue;
      phase.probability *= Math.exp(phase.emission.logLikelihood(this.misfits[i]!, this.seen.count) - top);
      sum += phase.probability;
    }
    for (let i = 0; i < this.phases.length; i++) {
      const phase = this.phases[i]!;
      if (!phase.used) continue;
      phase.probability = sum > 0 ? phase.probability / sum : 0;
      if (phase.probability > 0.01) phase.emission.learn(this.seen, phase.probability, this.misfits[i]!);
    }
  }

  /** The present phase changes only when another is sure, so that a doubtful step does not cut a dwell in two. */
  private settlePresent(): void {
    this.dwellSteps++;
    let likeliest = this.present;
    for (let i = 0; i < this.phases.length; i++) if (this.phases[i]!.used && this.phases[i]!.probability > this.phases[likeliest]!.probability) likeliest = i;
    if (likeliest !== this.present && this.phases[likeliest]!.probability > SURE) this.enter(likeliest, 1);
    this.phases[this.present]!.lastSeenStep = this.stepsSeen;
  }

  private enter(to: number, sinceSteps: number): void {
    if (to === this.present) return;
    const from = this.phases[this.present]!;
    // `dwellSteps` counts the step at hand and those that already belonged to the new phase.
    const lasted = this.dwellSteps - sinceSteps;
    if (Number.isFinite(lasted) && lasted >= 1) from.dwell.learn(lasted);
    for (let j = 0; j < this.phases.length; j++) from.switches[j] = from.switches[j]! * KEEP_SWITCHES;
    from.switches[to] = from.switches[to]! + 1;
    this.present = to;
    this.dwellSteps = sinceSteps;
    this.phases[to]!.ageSteps = sinceSteps;
  }

  private learnDemand(demand: number): void {
    const phase = this.phases[this.present]!;
    const before = this.deviation;
    const entered = this.dwellSteps <= 1;
    this.deviation = phase.demand.size === 0 ? 0 : demand - phase.demand.mean;
    if (!entered) {
      this.deviationProduct += FOLLOW_PERSISTENCE * (before * this.deviation - this.deviationProduct);
      this.deviationPower += FOLLOW_PERSISTENCE * (before * before - this.deviationPower);
    }
    phase.demand.add(demand);
  }

  private switchProbability(from: number, to: number): number {
    const { switches } = this.phases[from]!;
    let [sum, others] = [0, 0];
    for (let j = 0; j < this.phases.length; j++) {
      if (j === from || !this.phases[j]!.used) continue;
      sum += switches[j]!;
      others++;
    }
    if (others === 0 || to === from || !this.phases[to]!.used) return 0;
    return (switches[to]! + UNSEEN_SWITCHES / others) / (sum + UNSEEN_SWITCHES);
  }

  private likelyAfter(from: number): { phase: number; probability: number } | undefined {
    let best: { phase: number; probability: number } | undefined;
    for (let j = 0; j < this.phases.length; j++) {
      const probability = this.switchProbability(from, j);
      if (this.phases[from]!.switches[j]! > 0 && probability > (best?.probability ?? 0)) best = { phase: j, probability };
    }
    return best;
  }

  private mergeAlike(): void {
    for (let a = 0; a < this.phases.length; a++) {
      for (let b = a + 1; b < this.phases.length; b++) {
        if (this.phases[a]!.used && this.phases[b]!.used && this.phases[a]!.emission.distanceTo(this.phases[b]!.emission) < SAME) this.merge(a, b);
      }
    }
  }

  /** The phase `gone` becomes part of `into`. */
  private merge(into: number, gone: number): void {
    const [kept, lost] = [this.phases[into]!, this.phases[gone]!];
    kept.emission.absorb(lost.emission);
    kept.dwell.absorb(lost.dwell);
    kept.ageSteps = Math.max(kept.ageSteps, lost.ageSteps);
    kept.probability += lost.probability;
    kept.lastSeenStep = Math.max(kept.lastSeenStep, lost.lastSeenStep);
    for (let j = 0; j < this.phases.length; j++) {
      const phase = this.phases[j]!;
      if (j !== into && j !== gone) {
        kept.switches[j] = kept.switches[j]! + lost.switches[j]!;
        phase.switches[into] = phase.switches[into]! + phase.switches[gone]!;
      }
      phase.switches[gone] = 0;
    }
    lost.used = false;
    lost.probability = 0;
    if (this.present !== gone) return;
    this.present = into;
    this.dwellSteps = NaN;
  }

  private clearSlot(slot: number): void {
    for (const { emission } of this.phases) emission.shares[slot] = 0;
    this.newcomers.clearSlot(slot);
  }

  /** The slot that sets the phase apart from the others the most, else the heaviest; with the rate where two phases share it. */
  private label(index: number): string {
    const own = this.dominating(index);
    const { logRate } = this.phases[index]!.emission;
    if (own === undefined) return 'idle';
    const name = this.sites.nameOf(own);
    const shared = this.phases.some((other, i) => i !== index && other.used && this.dominating(i) === own);
    return shared ? `${name} at ${Math.expm1(logRate).toPrecision(2).replace(/e\+?/, 'e')}/s` : name;
  }

  private dominating(index: number): number | undefined {
    const { shares, logRate } = this.phases[index]!.emission;
    if (logRate < 0.1) return undefined;
    let [best, most] = [0, -Infinity];
    for (let i = 0; i < SLOTS; i++) {
      let elsewhere = 0;
      for (const { used, emission } of this.phases) if (used) elsewhere += emission.shares[i]! / this.count;
      const weight = shares[i]! * (1 + Math.log((shares[i]! + 0.01) / (elsewhere + 0.01)));
      if (weight > most) [best, most] = [i, weight];
    }
    return best;
  }
}
