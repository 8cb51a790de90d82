/** Histories in, quantile paths out, in batches of bounded size. */
import { LEVELS } from '@godwit/forecasting';
import { encode, newBatch, windowOf, type EncodedBatch } from './encoding.js';
import type { Backend } from './backend.js';
import { forward, inputsOf, weightTensors, type Architecture } from './network.js';
import { writePath } from './path.js';
import type { Tensor2D } from '@tensorflow/tfjs-core';

/** Windows per call of the backend: more are not cheaper each, and hold the thread for longer. */
export const MOST_WINDOWS = 256;

export class Predictor {
  private readonly batches = new Map<number, EncodedBatch>();
  private tensors: Tensor2D[];

  constructor(private readonly backend: Backend, private readonly architecture: Architecture, weights: Float32Array) {
    this.tensors = weightTensors(backend.tf, architecture, weights);
  }

  setWeights(weights: Float32Array): void {
    this.close();
    this.tensors = weightTensors(this.backend.tf, this.architecture, weights);
  }

  close(): void {
    for (const tensor of this.tensors) tensor.dispose();
    this.tensors = [];
  }

  /**
   * @param histories oldest first, NaN for missing steps.
   * @param steps rows of each path, 1..4096; row k is k + 1 steps after the newest value.
   * @returns rows × LEVELS per history; undefined for one that is too short to say anything.
   */
  predict(histories: readonly ArrayLike<number>[], steps: number): (Float64Array | undefined)[] {
    const paths: (Float64Array | undefined)[] = [];
    for (let from = 0; from < histories.length; from += MOST_WINDOWS) paths.push(...this.batch(histories.slice(from, from + MOST_WINDOWS), steps));
    return paths;
  }

  private batch(histories: readonly ArrayLike<number>[], steps: number): (Float64Array | undefined)[] {
    const { tf } = this.backend;
    const batch = this.batchOf(histories.length);
    const enough = histories.map((history, row) => encode(history, history.length, batch, row));
    const outputs = tf.tidy(() => forward(tf, this.architecture, this.tensors, inputsOf(tf, batch)).dataSync()) as Float32Array;
    return histories.map((history, row) => {
      if (!enough[row]) return undefined;
      const path = new Float64Array(steps * LEVELS.length);
      const window = windowOf(history, history.length);
      writePath(batch, row, window.values, window.steps, outputs, steps, path);
      return path;
    });
  }

  /** Batches of powers of two are kept: a refresh comes in few sizes. */
  private batchOf(windows: number): EncodedBatch {
    let size = 1;
    while (size < windows) size *= 2;
    let batch = this.batches.get(size);
    if (!batch) this.batches.set(size, (batch = newBatch(size)));
    return batch;
  }
}
