import type { Rng } from '@godwit/kernel';

/** A standard normal number (Box and Muller 1958). */
export const normal = (rng: Rng): number => Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());

export function randomWalk(rng: Rng, steps: number, start: number): number[] {
  let value = start;
  return Array.from({ length: steps }, () => (value += normal(rng)));
}

/** Autoregressive of order 1 around 20. */
export function ar1(rng: Rng, steps: number, coefficient: number): number[] {
  let value = 0;
  return Array.from({ length: steps }, () => 20 + (value = coefficient * value + normal(rng)));
}

export function season(rng: Rng, steps: number, { period, amplitude, deviation }: { readonly period: number; readonly amplitude: number; readonly deviation: number }): number[] {
  return Array.from({ length: steps }, (_, t) => 20 + amplitude * Math.sin((2 * Math.PI * t) / period) + deviation * normal(rng));
}

/** Climbs for so many steps, rests for as many, and falls back. */
export function ramp(rng: Rng, steps: number, length: number): number[] {
  return Array.from({ length: steps }, (_, t) => 20 + (Math.min(length, t % (2 * length)) * 30) / length + normal(rng));
}
