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
