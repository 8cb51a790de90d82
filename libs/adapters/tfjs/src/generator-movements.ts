/** The kinds of movement that `generator.ts` draws from. Each is a file-local function and a line in `MOVEMENTS`. */

export interface Draw {
  readonly uniform: (low: number, high: number) => number;
  readonly logUniform: (low: number, high: number) => number;
  readonly whole: (low: number, high: number) => number;
  readonly chance: (ratio: number) => boolean;
  readonly normal: () => number;
  readonly exponential: () => number;
}

export interface Movement {
  /** How often it is drawn, beside the others'. */
  readonly share: number;
  make(draw: Draw, steps: number): Float64Array;
}

/** Normal, Laplace, or Student with 3 degrees of freedom: the next draw of a shock of unit size. */
function shocks(draw: Draw): () => number {
  const kind = draw.uniform(0, 1);
  if (kind < 0.6) return draw.normal;
  if (kind < 0.8) return () => (draw.chance(0.5) ? 1 : -1) * draw.exponential() * Math.SQRT1_2;
  return () => draw.normal() / Math.sqrt((draw.normal() ** 2 + draw.normal() ** 2 + draw.normal() ** 2) / 3) / 1.7;
}

function randomWalk(draw: Draw, steps: number): Float64Array {
  const shock = shocks(draw);
  const moving = draw.chance(0.25) ? draw.logUniform(0.02, 0.5) : 1;
  let value = 0;
  return Float64Array.from({ length: steps }, () => (draw.chance(moving) ? (value += shock()) : value));
}

/** A level that drifts, seen through noise: between noise and random walk, with every ratio between. */
function noisyLevel(draw: Draw, steps: number): Float64Array {
  const shock = shocks(draw);
  const drift = draw.logUniform(0.003, 1);
  let level = 0;
  return Float64Array.from({ length: steps }, () => (level += drift * draw.normal()) + shock());
}

function autoregressive(draw: Draw, steps: number): Float64Array {
  const shock = shocks(draw);
  // Roots within the circle: a decaying oscillation, or two decays.
  const radius = 1 - draw.logUniform(0.01, 1);
  const [a, b] = draw.chance(0.4)
    ? [2 * radius * Math.cos(draw.uniform(0.1, 3)), -(radius ** 2)]
    : ((other: number) => [radius + other, -radius * other] as const)(draw.uniform(-0.6, 0.9) * (draw.chance(0.5) ? 1 : 0));
  let before = 0;
  let value = 0;
  const step = (): number => {
    const next = a * value + b * before + shock();
    before = value;
    return (value = next);
  };
  for (let t = 0; t < 100; t++) step();
  return Float64Array.from({ length: steps }, step);
}

const SHAPES: readonly ((phase: number, width: number) => number)[] = [
  (phase) => Math.sin(2 * Math.PI * phase),
  (phase) => Math.sin(2 * Math.PI * phase) + 0.5 * Math.sin(4 * Math.PI * phase + 1),
  (phase, width) => (phase < width ? 1 : 0),
  (phase, width) => (phase < width ? phase / width : 0),
  (phase, width) => Math.exp(-phase / width),
  (phase, width) => Math.abs(2 * phase - 1) * width,
];

/** Timers and habits: a shape that comes back, its size wandering a little, under noise. */
function cycle(draw: Draw, steps: number): Float64Array {
  const period = draw.chance(0.5) ? draw.whole(3, 64) : draw.logUniform(3, 70);
  const width = draw.uniform(0.1, 0.7);
  const shape = SHAPES[draw.whole(0, SHAPES.length - 1)]!;
  const noise = draw.logUniform(0.02, 1.5);
  const wander = draw.chance(0.5) ? draw.logUniform(0.001, 0.05) : 0;
  const start = draw.uniform(0, 1);
  let size = 1;
  let level = 0;
  return Float64Array.from({ length: steps }, (_, t) => {
    size = Math.max(0.2, size + wander * draw.normal());
    level += wander * draw.normal();
    return level + size * shape((t / period + start) % 1, width) + noise * 0.5 * draw.normal();
  });
}

/** A day of which the window sees a part: a slow swing under noise. */
function slowSwing(draw: Draw, steps: number): Float64Array {
  const period = draw.logUniform(130, 1_500);
  const noise = draw.logUniform(0.005, 0.6);
  const second = draw.uniform(0, 0.5);
  const start = draw.uniform(0, 1);
  const rest = autoregressive(draw, steps);
  const size = deviation(rest) || 1;
  return Float64Array.from({ length: steps }, (_, t) =>
    Math.sin(2 * Math.PI * (t / period + start)) + second * Math.sin(4 * Math.PI * (t / period + start)) + (noise * rest[t]!) / size);
}

/** Straight pieces: a leak, a queue that fills, a job that ends. */
function ramps(draw: Draw, steps: number): Float64Array {
  const noise = draw.logUniform(0.01, 3);
  const change = draw.logUniform(0.003, 0.05);
  const resets = draw.chance(0.4);
  const walk = draw.chance(0.4) ? draw.logUniform(0.02, 1) : 0;
  let value = 0;
  let slope = draw.normal();
  return Float64Array.from({ length: steps }, () => {
    if (draw.chance(change)) {
      slope = draw.chance(0.3) ? 0 : draw.normal();
      if (resets && draw.chance(0.5)) value = 0;
    }
    value += slope + walk * draw.normal();
    return value + noise * draw.normal();
  });
}

/** Requests in bunches: each comes at once and fades, or stays for a while. */
function bursts(draw: Draw, steps: number): Float64Array {
  const rate = draw.logUniform(0.005, 0.3);
  const fade = draw.chance(0.5) ? draw.logUniform(0.1, 0.98) : 0;
  const lasting = draw.logUniform(1, 40);
  const noise = draw.logUniform(0.003, 0.3);
  let fading = 0;
  const active: { left: number; size: number }[] = [];
  return Float64Array.from({ length: steps }, () => {
    fading *= fade;
    if (draw.chance(rate)) {
      const size = draw.exponential() + 0.1;
      if (fade > 0) fading += size;
      else active.push({ left: 1 + lasting * draw.exponential(), size });
    }
    let sum = fading + noise * draw.normal();
    for (const one of active) if (one.left-- > 0) sum += one.size;
    return sum;
  });
}

/** A few levels, each with its own restlessness; how long it stays is random, or nearly fixed. */
function regimes(draw: Draw, steps: number): Float64Array {
  const count = draw.whole(2, 5);
  const levels = Array.from({ length: count }, () => ({ level: draw.normal(), noise: draw.logUniform(0.005, 0.7), stay: draw.logUniform(3, 200), memory: draw.chance(0.5) ? draw.uniform(0, 0.95) : 0 }));
  const regular = draw.chance(0.3);
  const inTurn = draw.chance(0.4);
  let at = 0;
  let left = 0;
  let value = 0;
  return Float64Array.from({ length: steps }, () => {
    if (left <= 0) {
      at = inTurn ? (at + 1) % count : draw.whole(0, count - 1);
      left = levels[at]!.stay * (regular ? draw.uniform(0.9, 1.1) : draw.exponential());
    }
    left--;
    const { level, noise, memory } = levels[at]!;
    value = memory * value + noise * draw.normal();
    return level + value;
  });
}

/** Rare lasting steps of a level that is calm between them: memory, files, a configuration. */
function steps(draw: Draw, count: number): Float64Array {
  const rate = draw.logUniform(0.002, 0.08);
  const noise = draw.chance(0.4) ? 0 : draw.logUniform(0.002, 0.5);
  let level = 0;
  return Float64Array.from({ length: count }, () => {
    if (draw.chance(rate)) level += draw.normal();
    return level + noise * draw.normal();
  });
}

/** A job every so often that takes so long: start and length jitter. */
function batchJobs(draw: Draw, count: number): Float64Array {
  const period = draw.logUniform(8, 120);
  const length = period * draw.uniform(0.08, 0.7);
  const jitter = draw.chance(0.4) ? 0 : draw.uniform(0, 0.2);
  const noise = draw.logUniform(0.01, 0.4);
  let startsIn = draw.uniform(0, period);
  let left = 0;
  let size = 1;
  return Float64Array.from({ length: count }, () => {
    if (startsIn-- <= 0) {
      startsIn += period * (1 + jitter * draw.normal());
      left = length * (1 + jitter * draw.normal());
      size = 1 + jitter * draw.normal();
    }
    return (left-- > 0 ? size : 0) + noise * draw.normal();
  });
}

/** Noise around a level with tails that no variance describes, now calmer, now wilder. */
function heavyTails(draw: Draw, count: number): Float64Array {
  const power = draw.uniform(0.5, 1.5);
  const calm = draw.uniform(0.9, 0.995);
  const memory = draw.chance(0.5) ? draw.uniform(0, 0.8) : 0;
  let wild = 0;
  let value = 0;
  return Float64Array.from({ length: count }, () => {
    wild = calm * wild + Math.sqrt(1 - calm ** 2) * draw.normal();
    const shock = Math.exp(power * draw.normal() + 0.7 * wild);
    value = memory * value + (draw.chance(0.3) ? -0.3 : 1) * Math.min(shock, 60);
    return value;
  });
}

function deviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

export const MOVEMENTS: readonly Movement[] = [
  { share: 16, make: randomWalk }, { share: 24, make: noisyLevel }, { share: 16, make: autoregressive }, { share: 14, make: cycle },
  { share: 9, make: slowSwing }, { share: 6, make: ramps }, { share: 9, make: bursts }, { share: 9, make: regimes }, { share: 7, make: steps },
  { share: 6, make: batchJobs }, { share: 10, make: heavyTails },
];
