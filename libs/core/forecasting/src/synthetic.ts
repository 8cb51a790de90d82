import type { Rng } from '@godwit/kernel';
import { normalQuantile } from './levels.js';

/** Seeded series for specs and benchmarks: no recording can be told to be a random walk, these can. */
export const normal = (rng: Rng): number => normalQuantile((rng.nextUint32() + 0.5) / 0x1_0000_0000);

export function noise(rng: Rng, steps: number, level = 10, deviation = 1): number[] {
  return Array.from({ length: steps }, () => level + deviation * normal(rng));
}

export function randomWalk(rng: Rng, steps: number, start = 50, deviation = 1): number[] {
  let value = start;
  return Array.from({ length: steps }, () => (value += deviation * normal(rng)));
}

/** Autoregressive of order 1 around `level`. */
export function ar1(rng: Rng, steps: number, coefficient: number, level = 10): number[] {
  let value = 0;
  return Array.from({ length: steps }, () => level + (value = coefficient * value + normal(rng)));
}

export function ramp(rng: Rng, steps: number, perStep: number, deviation: number, start = 0): number[] {
  return Array.from({ length: steps }, (_, t) => start + t * perStep + deviation * normal(rng));
}

export function season(rng: Rng, steps: number, period: number, amplitude: number, deviation: number, level = 10): number[] {
  return Array.from({ length: steps }, (_, t) => level + amplitude * Math.sin((2 * Math.PI * t) / period) + deviation * normal(rng));
}

/** Uniform between two bounds, on a logarithmic scale. */
const logUniform = (rng: Rng, low: number, high: number): number => low * (high / low) ** rng.next();

/**
 * A series such as machines and services make, drawn at random: a wandering or returning level, jumps to other levels, bursts that
 * fade, a season, heavy-tailed noise, and a meter that rounds or is bounded; each present or not. Unit and origin are arbitrary.
 */
export function machineLike(rng: Rng, steps: number): number[] {
  const maybe = (probability: number, size: () => number): number => (rng.next() < probability ? size() : 0);
  const wander = maybe(0.55, () => logUniform(rng, 0.02, 2));
  const keep = rng.next() < 0.4 ? 1 : 1 - logUniform(rng, 0.005, 0.7);
  const noiseSize = maybe(0.75, () => logUniform(rng, 0.1, 2)) || (wander === 0 ? 1 : 0);
  const jumpChance = maybe(0.4, () => logUniform(rng, 0.002, 0.05));
  const jumpSize = logUniform(rng, 1, 12);
  const burstChance = maybe(0.4, () => logUniform(rng, 0.003, 0.1));
  const burstSize = logUniform(rng, 2, 20);
  const burstKeep = 1 - logUniform(rng, 0.05, 1);
  const period = Math.round(logUniform(rng, 4, 120));
  const seasonSize = maybe(0.25, () => logUniform(rng, 0.5, 5));
  const heavy = rng.next() < 0.4;
  const rounding = maybe(0.3, () => logUniform(rng, 0.3, 3));
  const home = rng.next() < 0.5;
  let [state, level, burst, drift] = [0, 0, 0, 0];
  return Array.from({ length: steps }, (_, t) => {
    state = keep * state + wander * shock(rng, heavy);
    if (rng.next() < jumpChance) level = (home && level !== 0 ? 0 : level + jumpSize * normal(rng));
    if (rng.next() < 0.002) drift = maybe(0.5, () => 0.1 * normal(rng));
    level += drift;
    if (rng.next() < burstChance) burst += burstSize * (0.3 + rng.next());
    burst *= burstKeep;
    const value = state + level + burst + seasonSize * Math.sin((2 * Math.PI * t) / period) + noiseSize * shock(rng, heavy);
    return rounding > 0 ? rounding * Math.round(value / rounding) : value;
  });
}

/** Normal, or now and then much larger. */
const shock = (rng: Rng, heavy: boolean): number => normal(rng) * (heavy && rng.next() < 0.08 ? 4 : 1);
