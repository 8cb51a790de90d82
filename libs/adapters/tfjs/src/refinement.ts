/**
 * Learning on from what the forecaster sees. Histories are kept in a bounded ring; now and then a few small steps are made on
 * most of it. The refined weights are used only while they do not lose to the shipped ones on series that they have not seen.
 */
import type { Rng } from '@godwit/kernel';
import type { Backend } from './backend.js';
import { newBatch } from './encoding.js';
import type { NeuralModel } from './model-file.js';
import { LEADS, LEAST_STEPS } from './shape.js';
import { lossOf, Trainer } from './trainer.js';
import { newTargets, sampleAt, trainingSeries, type TrainingSeries } from './window-sampler.js';

/** What a refinement did, for logs and metrics. Losses are in mean changes of a series over the lead; null with too little data. */
export interface Refinement {
  readonly kept: number;
  readonly shippedLoss: number | null;
  readonly refinedLoss: number | null;
  readonly refinedInUse: boolean;
  /** CPU time that it took the worker, ms. */
  readonly busyMs: number;
}

/** About 1 MiB of histories. */
const MOST_KEPT = 512;
/** Fewer tell nothing. */
const LEAST_KEPT = 64;
/** One in so many series is for checking only. */
const CHECK_EVERY = 4;
/** With fewer histories to check on there is no refinement. */
const LEAST_CHECKED = 8;
const WINDOWS = 64;
const STEPS = 3;
const RATE = 5e-5;
/** So many checks lost in a row, and the next refinement begins with the shipped weights again. */
const MOST_LOST = 5;

export class Refiner {
  private readonly learning: TrainingSeries[] = [];
  private readonly checking: TrainingSeries[] = [];
  private readonly next = { learning: 0, checking: 0 };
  private lost = 0;
  private trainer: Trainer;
  private inUse = false;

  /** @param rate of the steps: small, since the shipped weights have seen far more. */
  constructor(private readonly backend: Backend, private readonly model: NeuralModel, private readonly rng: Rng, private readonly rate = RATE) {
    this.trainer = this.begin();
  }

  /** Keeps a copy of a history that is long enough to tell what came after a part of it. @param key of its series. */
  keep(history: Float64Array, key: number): void {
    if (history.length < LEAST_STEPS + LEADS[LEADS.length - 1]! / 2) return;
    const series = trainingSeries(history.slice());
    if (!series) return;
    const part = key % CHECK_EVERY === 0 ? 'checking' : 'learning';
    const most = part === 'checking' ? MOST_KEPT / CHECK_EVERY : MOST_KEPT - MOST_KEPT / CHECK_EVERY;
    this[part][this.next[part]] = series;
    this.next[part] = (this.next[part] + 1) % most;
  }

  /** Weights to predict with. */
  weights(): Float32Array {
    return this.inUse ? this.trainer.weights : this.model.weights;
  }

  /** A few steps, then the check. Takes some tenths of a second on WASM. */
  refine(): Omit<Refinement, 'busyMs'> {
    const kept = this.learning.length + this.checking.length;
    if (kept < LEAST_KEPT || this.checking.length < LEAST_CHECKED || this.learning.length === 0) return { kept, shippedLoss: null, refinedLoss: null, refinedInUse: this.inUse };
    const batch = newBatch(WINDOWS);
    const targets = newTargets(WINDOWS);
    for (let step = 0; step < STEPS; step++) {
      for (let row = 0; row < WINDOWS; row++) this.sample(this.learning[Math.floor(this.rng.next() * this.learning.length)]!, batch, targets, row);
      this.trainer.step(batch, targets, this.rate);
    }
    for (let row = 0; row < WINDOWS; row++) this.sample(this.checking[row % this.checking.length]!, batch, targets, row);
    const shippedLoss = lossOf(this.backend, this.model.architecture, this.model.weights, batch, targets);
    const refinedLoss = lossOf(this.backend, this.model.architecture, this.trainer.weights, batch, targets);
    this.inUse = refinedLoss <= shippedLoss;
    this.lost = this.inUse ? 0 : this.lost + 1;
    if (this.lost >= MOST_LOST) this.trainer = this.begin();
    return { kept, shippedLoss, refinedLoss, refinedInUse: this.inUse };
  }

  private begin(): Trainer {
    this.lost = 0;
    return new Trainer(this.backend, this.model.architecture, this.model.weights, 0);
  }

  private sample(series: TrainingSeries, ...[batch, targets, row]: [ReturnType<typeof newBatch>, ReturnType<typeof newTargets>, number]): void {
    const longest = series.values.length - LEADS[LEADS.length - 1]! / 2;
    const end = LEAST_STEPS + Math.floor(this.rng.next() * Math.max(1, longest - LEAST_STEPS + 1));
    sampleAt(series, 0, end, batch, targets, row);
  }
}
