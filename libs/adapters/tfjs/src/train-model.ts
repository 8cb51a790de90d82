/** A whole training: windows drawn anew in every epoch, a falling rate, and an error on entities that it has not seen. */
import { LEVELS, MODELS } from '@godwit/forecasting';
import { Xoshiro128, type Rng } from '@godwit/kernel';
import type { Backend } from './backend.js';
import { newBatch } from './encoding.js';
import { generateSeries } from './generator.js';
import { freshWeights, type Architecture } from './network.js';
import { Predictor } from './predictor.js';
import { LEADS, LEAST_STEPS, WINDOW_STEPS } from './shape.js';
import { Trainer } from './trainer.js';
import { newTargets, sampleAnywhere, trainingSeries, type TrainingSeries } from './window-sampler.js';

export interface TrainingPlan {
  readonly seed: number;
  readonly epochs: number;
  /** Gradient steps of an epoch. */
  readonly stepsPerEpoch: number;
  readonly architecture: Architecture;
  /** Weights to begin with; fresh ones by default. */
  readonly start?: Float32Array;
  /** Largest rate of Adam; 0.0025 suits fresh weights, a tenth of it trained ones. */
  readonly rate: number;
  /** Share of the windows that come from generated series, 0..1; 1 needs no recordings. */
  readonly generatedRatio: number;
}

export interface TrainingProgress {
  readonly epoch: number;
  readonly epochs: number;
  /** Mean over the epoch; in mean changes of a series over the lead. */
  readonly loss: number;
}

/** Windows of a gradient step. */
export const STEP_WINDOWS = 256;
const WARM_UP_STEPS = 100;
const LEAST_RATE_RATIO = 0.02;
const AVERAGE_RATIO = 0.998;
/** Generated series at hand at a time, and how many of them are new in each eighth step. */
const POOL = { series: 600, renewed: 100, everySteps: 8 } as const;

/**
 * @param recordings values by step, NaN where missing. Those that are too short or never move are left out.
 * @param onProgress after every epoch; may wait.
 */
export async function trainModel(backend: Backend, recordings: readonly Float64Array[], plan: TrainingPlan, onProgress: (progress: TrainingProgress) => void | Promise<void>): Promise<Float32Array> {
  const rng = Xoshiro128.seeded(plan.seed);
  const trainer = new Trainer(backend, plan.architecture, plan.start ?? freshWeights(plan.architecture, rng), AVERAGE_RATIO);
  const recorded = usable(recordings);
  const generatedRatio = recorded.length === 0 ? 1 : plan.generatedRatio;
  const pool = generatedRatio > 0 ? new GeneratedPool(rng) : undefined;
  const batch = newBatch(STEP_WINDOWS);
  const targets = newTargets(STEP_WINDOWS);
  const total = plan.epochs * plan.stepsPerEpoch;
  for (let step = 0, loss = 0; step < total; step++) {
    pool?.renew(step);
    for (let row = 0; row < STEP_WINDOWS; row++) {
      const series = pool && rng.next() < generatedRatio ? pool.draw() : recorded[Math.floor(rng.next() * recorded.length)]!;
      sampleAnywhere(series, rng, batch, targets, row);
    }
    const fall = LEAST_RATE_RATIO + ((1 - LEAST_RATE_RATIO) * (1 + Math.cos((Math.PI * step) / total))) / 2;
    loss += trainer.step(batch, targets, plan.rate * Math.min(1, (step + 1) / WARM_UP_STEPS) * fall);
    if ((step + 1) % plan.stepsPerEpoch !== 0) continue;
    await onProgress({ epoch: (step + 1) / plan.stepsPerEpoch, epochs: plan.epochs, loss: loss / plan.stepsPerEpoch });
    loss = 0;
  }
  return trainer.average();
}

export const usable = (recordings: readonly Float64Array[]): TrainingSeries[] => recordings.map(trainingSeries).filter((series) => series !== undefined);

class GeneratedPool {
  private readonly series: TrainingSeries[] = [];

  constructor(private readonly rng: Rng) {
    this.add(POOL.series);
  }

  renew(step: number): void {
    if (step % POOL.everySteps !== 0) return;
    this.series.splice(0, POOL.renewed);
    this.add(POOL.series - this.series.length);
  }

  draw(): TrainingSeries {
    return this.series[Math.floor(this.rng.next() * this.series.length)]!;
  }

  private add(count: number): void {
    for (let left = count; left > 0;) {
      const made = trainingSeries(generateSeries(this.rng, generatedSteps(this.rng)));
      if (!made) continue;
      this.series.push(made);
      left--;
    }
  }
}

const generatedSteps = (rng: Rng): number => WINDOW_STEPS + 64 + Math.floor(rng.next() * 600);

/** Series that no training with this seed has seen: what the default model is judged on. */
export function generatedHeldOut(seed: number, count: number): Float64Array[] {
  const rng = Xoshiro128.seeded((seed ^ 0x5eed) + 1);
  return Array.from({ length: count }, () => generateSeries(rng, generatedSteps(rng)));
}

/** Mean pinball losses on the same windows, each in mean one-step changes of its series. */
export interface HeldOutScore {
  readonly series: number;
  readonly windows: number;
  readonly neural: number;
  readonly lastValue: number;
  readonly rollingMedian: number;
}

/** Every so many steps a window of a held-out series is scored, and of one series at most so many steps. */
const SCORE = { everySteps: 16, mostSteps: 2_000 } as const;

/** How the model does beside the two naive ones, which follow each series from its beginning. */
export function scoreHeldOut(backend: Backend, architecture: Architecture, weights: Float32Array, series: readonly Float64Array[]): HeldOutScore {
  const predictor = new Predictor(backend, architecture, weights);
  const sums = { neural: 0, lastValue: 0, rollingMedian: 0 };
  let [scored, windows] = [0, 0];
  for (const { values, errors } of usable(series)) {
    const own = scoreSeries(predictor, values.subarray(0, SCORE.mostSteps), errors[0]!);
    if (own.windows === 0) continue;
    scored++;
    windows += own.windows;
    for (const name of ['neural', 'lastValue', 'rollingMedian'] as const) sums[name] += own[name] / own.windows;
  }
  predictor.close();
  const mean = (sum: number): number => (scored === 0 ? NaN : sum / scored);
  return { series: scored, windows, neural: mean(sums.neural), lastValue: mean(sums.lastValue), rollingMedian: mean(sums.rollingMedian) };
}

function scoreSeries(predictor: Predictor, values: Float64Array, scale: number): Omit<HeldOutScore, 'series'> {
  const naive = ['last-value', 'rolling-median'].map((name) => MODELS.find((model) => model.name === name)!.create({ levels: LEVELS, maxHorizonSteps: LEADS[LEADS.length - 1]!, priorSpread: 0 }));
  const into = naive.map(() => new Float64Array(LEADS.length * LEVELS.length));
  const sums = [0, 0, 0];
  const ends: number[] = [];
  const leads = Int32Array.from(LEADS);
  const first = Math.min(WINDOW_STEPS, Math.max(LEAST_STEPS, values.length >> 2));
  for (let t = 0; t < values.length - 1; t++) {
    for (const model of naive) {
      if (Number.isNaN(values[t]!)) model.skip(1);
      else model.update(values[t]!);
    }
    if (t + 1 < first || (t + 1 - first) % SCORE.everySteps !== 0 || Number.isNaN(values[t]!)) continue;
    ends.push(t + 1);
    for (const [m, model] of naive.entries()) {
      model.forecast(leads, into[m]!);
      sums[m + 1] = sums[m + 1]! + lossAt(values, t + 1, (i, j) => into[m]![i * LEVELS.length + j]!) / scale;
    }
  }
  const paths = predictor.predict(ends.map((end) => values.subarray(Math.max(0, end - WINDOW_STEPS), end)), LEADS[LEADS.length - 1]!);
  for (const [k, path] of paths.entries()) sums[0] = sums[0]! + lossAt(values, ends[k]!, (i, j) => path![(LEADS[i]! - 1) * LEVELS.length + j]!) / scale;
  return { windows: ends.length, neural: sums[0]!, lastValue: sums[1]!, rollingMedian: sums[2]! };
}

/** Mean over leads and levels of twice the pinball loss. */
function lossAt(values: Float64Array, end: number, quantile: (lead: number, level: number) => number): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < LEADS.length; i++) {
    const actual = values[end - 1 + LEADS[i]!];
    if (actual === undefined || Number.isNaN(actual)) continue;
    for (let j = 0; j < LEVELS.length; j++) {
      const miss = actual - quantile(i, j);
      sum += 2 * Math.max(LEVELS[j]! * miss, (LEVELS[j]! - 1) * miss);
    }
    count += LEVELS.length;
  }
  return count === 0 ? 0 : sum / count;
}
