/** Gradient steps: pinball loss over all leads and levels, Adam, an average of the weights over the steps. */
import { LEVELS } from '@godwit/forecasting';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend, Tf } from './backend.js';
import type { EncodedBatch } from './encoding.js';
import { forward, inputsOf, weightTensors, type Architecture } from './network.js';
import type { Targets } from './window-sampler.js';

/** Adam (Kingma and Ba 2015) with its usual constants; gradients longer than 1 are shortened. */
const ADAM = { first: 0.9, second: 0.999, epsilon: 1e-7, longest: 1 } as const;

export class Trainer {
  readonly weights: Float32Array;
  private readonly mean: Float64Array;
  private readonly square: Float64Array;
  private readonly averaged: Float64Array;
  private steps = 0;

  /** @param averageRatio how much of the average of the weights stays at each step; 0 takes the newest. */
  constructor(private readonly backend: Backend, private readonly architecture: Architecture, weights: Float32Array, private readonly averageRatio: number) {
    this.weights = weights.slice();
    this.mean = new Float64Array(weights.length);
    this.square = new Float64Array(weights.length);
    this.averaged = Float64Array.from(weights);
  }

  /** Average of the weights over the recent steps: better than the newest, which still swing. */
  average(): Float32Array {
    return Float32Array.from(this.averaged);
  }

  /** One step. @returns the loss before it. */
  step(batch: EncodedBatch, targets: Targets, rate: number): number {
    const { loss, gradients } = lossAndGradients(this.backend.tf, this.architecture, this.weights, batch, targets);
    this.steps++;
    let length = 0;
    for (const gradient of gradients) length += gradient * gradient;
    length = Math.sqrt(length);
    if (!Number.isFinite(length)) return loss;
    const shorten = length > ADAM.longest ? ADAM.longest / length : 1;
    const keep = Math.min(this.averageRatio, this.steps / (this.steps + 10));
    const firstBias = 1 - ADAM.first ** this.steps;
    const secondBias = 1 - ADAM.second ** this.steps;
    for (let i = 0; i < gradients.length; i++) {
      const gradient = gradients[i]! * shorten;
      this.mean[i] = ADAM.first * this.mean[i]! + (1 - ADAM.first) * gradient;
      this.square[i] = ADAM.second * this.square[i]! + (1 - ADAM.second) * gradient * gradient;
      this.weights[i] = this.weights[i]! - (rate * (this.mean[i]! / firstBias)) / (Math.sqrt(this.square[i]! / secondBias) + ADAM.epsilon);
      this.averaged[i] = keep * this.averaged[i]! + (1 - keep) * this.weights[i]!;
    }
    return loss;
  }
}

function lossAndGradients(tf: Tf, architecture: Architecture, weights: Float32Array, batch: EncodedBatch, targets: Targets): { readonly loss: number; readonly gradients: Float32Array } {
  const gradients = new Float32Array(weights.length);
  let loss = 0;
  tf.tidy(() => {
    const inputs = inputsOf(tf, batch);
    const wanted = targetTensors(tf, targets);
    const { value, grads } = tf.valueAndGrads((...parts: Tensor[]) => pinball(tf, forward(tf, architecture, parts as Tensor2D[], inputs), wanted))(weightTensors(tf, architecture, weights));
    loss = value.dataSync()[0]!;
    let at = 0;
    for (const part of grads) {
      const values = part.dataSync();
      gradients.set(values, at);
      at += values.length;
    }
  });
  return { loss, gradients };
}

/** Loss of given weights on a batch, per lead and as a whole. */
export function lossOf({ tf }: Backend, architecture: Architecture, weights: Float32Array, batch: EncodedBatch, targets: Targets): number {
  return tf.tidy(() => pinball(tf, forward(tf, architecture, weightTensors(tf, architecture, weights), inputsOf(tf, batch)), targetTensors(tf, targets)).dataSync()[0]!);
}

interface TargetTensors { readonly values: Tensor2D; readonly weights: Tensor2D }

const targetTensors = (tf: Tf, targets: Targets): TargetTensors => ({
  values: tf.tensor2d(targets.values, [targets.values.length, 1]), weights: tf.tensor2d(targets.weights, [targets.weights.length, 1]),
});

/** Mean over windows, leads and levels of twice the pinball loss, in the series' own mean changes over the lead. */
function pinball(tf: Tf, outputs: Tensor2D, { values, weights }: TargetTensors): Scalar {
  const levels = tf.tensor2d([...LEVELS], [1, LEVELS.length]);
  const miss = tf.sub(values, tf.slice(outputs, [0, 0], [-1, LEVELS.length]));
  const losses = tf.maximum(tf.mul(levels, miss), tf.mul(tf.sub(levels, 1), miss));
  return tf.mul(tf.mean(tf.mul(losses, weights)), 2);
}
