/** For the specs: a seeded program that goes through phases, each with its own sites, rates and demand. */
import type { Rng } from '@godwit/kernel';
import { normalQuantile } from '@godwit/forecasting';
import type { Counter } from './site-table.js';

export interface ProgramPhase {
  /** Expected counts per step, by site. */
  readonly sites: Readonly<Record<string, number>>;
  readonly demand: number;
  readonly demandNoise: number;
  /** Steps that it lasts. */
  readonly lasts: (rng: Rng) => number;
}
export interface ProgramStep {
  readonly truth: number;
  readonly counters: readonly Counter[];
  readonly demand: number;
}

const normal = (rng: Rng): number => normalQuantile((rng.nextUint32() + 0.5) / 0x1_0000_0000);
/** About Poisson: exact enough from a handful on, whole and never negative. */
const counted = (rng: Rng, mean: number): number => Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(rng)));
export const between = (low: number, high: number) => (rng: Rng): number => low + (rng.nextUint32() % (high - low + 1));

/** @param follows which phase comes after; the next in turn by default. */
export function runProgram(rng: Rng, phases: readonly ProgramPhase[], steps: number, follows: (phase: number, rng: Rng) => number = (phase) => (phase + 1) % phases.length): ProgramStep[] {
  const trail: ProgramStep[] = [];
  for (let truth = 0; trail.length < steps; truth = follows(truth, rng)) {
    const phase = phases[truth]!;
    for (let left = phase.lasts(rng); left > 0 && trail.length < steps; left--) {
      const counters = Object.entries(phase.sites).map(([name, mean]) => ({ name, count: counted(rng, mean) }));
      trail.push({ truth, counters, demand: Math.max(0, phase.demand + phase.demandNoise * normal(rng)) });
    }
  }
  return trail;
}
