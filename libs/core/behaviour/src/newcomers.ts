/** Steps that fit no phase, gathered until some of them agree: then they are a new phase. A single odd step is none. */
import { createObservation, Emission, type Observation } from './emission.js';

/** So many steps that agree make a phase, */
const STEPS_OF_A_PHASE = 3;
/** within so many steps: it may be a short one that comes again and again. */
const PATIENCE_STEPS = 128;
const CANDIDATES = 2;

interface Candidate {
  readonly emission: Emission;
  hits: number;
  /** Hits in a row, up to now. */
  run: number;
  lastStep: number;
}

export class Newcomers {
  private readonly candidates: Candidate[] = Array.from({ length: CANDIDATES }, () => ({ emission: new Emission(), hits: 0, run: 0, lastStep: -Infinity }));
  private readonly mean = createObservation();

  /**
   * @param agrees misfit up to which a step belongs to a candidate.
   * @returns what the new phase looks like and for how many steps it has lasted, or whether the step agreed with a candidate.
   */
  take(seen: Observation, step: number, agrees: number): { readonly phase: Observation; readonly run: number } | 'agrees' | 'alone' {
    let oldest = this.candidates[0]!;
    for (const candidate of this.candidates) {
      if (step - candidate.lastStep > PATIENCE_STEPS) candidate.hits = 0;
      if (candidate.hits > 0) {
        const misfit = candidate.emission.misfitOf(seen);
        if (misfit <= agrees) return this.hit(candidate, seen, step, misfit);
      }
      if (candidate.hits === 0 || (oldest.hits > 0 && candidate.lastStep < oldest.lastStep)) oldest = candidate;
    }
    oldest.emission.restart(seen);
    oldest.hits = 1;
    oldest.run = 1;
    oldest.lastStep = step;
    return 'alone';
  }

  private hit(candidate: Candidate, seen: Observation, step: number, misfit: number): { readonly phase: Observation; readonly run: number } | 'agrees' {
    candidate.emission.learn(seen, 1, misfit);
    candidate.hits++;
    candidate.run = step === candidate.lastStep + 1 ? candidate.run + 1 : 1;
    candidate.lastStep = step;
    if (candidate.hits < STEPS_OF_A_PHASE) return 'agrees';
    candidate.hits = 0;
    this.mean.shares.set(candidate.emission.shares);
    this.mean.logRate = candidate.emission.logRate;
    this.mean.count = seen.count;
    return { phase: this.mean, run: candidate.run };
  }

  /** A slot of the composition stands for another name from now on. */
  clearSlot(slot: number): void {
    for (const { emission } of this.candidates) emission.shares[slot] = 0;
  }
}
