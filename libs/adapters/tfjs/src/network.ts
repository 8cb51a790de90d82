/**
 * The network: patches of a window → LSTM → one small head shared by all leads → quantiles in scales of the lead.
 *
 * For each lead the head answers how to mix the anchors, a shift, and eight gaps between neighbouring quantiles:
 *
 *     median   = Σ mix[k] · anchor[k] + shift
 *     quantile = median ± running sum of softplus(gap) · (that gap of a normal distribution)
 *
 * A running sum of positive gaps cannot cross. With all weights of the last layer at 0 it is a random walk of normal steps, which
 * is where training starts. The LSTM cell is written out in products, sigmoids and hyperbolic tangents: those have gradients on
 * every backend, while the fused cell of the layers' package is not faster (0.55 ms a window to train on WASM, 0.16 to run).
 */
import { LEVELS, normalQuantile } from '@godwit/forecasting';
import type { Rng } from '@godwit/kernel';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Tf } from './backend.js';
import type { EncodedBatch } from './encoding.js';
import { ANCHORS, LEADS, LEAD_TRAITS, PATCHES, PATCH_CHANNELS, TRAITS } from './shape.js';

export interface Architecture {
  readonly lstmUnits: number;
  readonly headUnits: number;
}
export const DEFAULT_ARCHITECTURE: Architecture = { lstmUnits: 32, headUnits: 48 };

/** Anchors that run with a cycle: their shares of the mix are answered too, so that the path between two leads can follow the cycle. */
export const SEASONAL_ANCHORS = [7, 8] as const;
const GAPS = LEVELS.length - 1;
const ANSWERS = ANCHORS + 1 + GAPS;
/** Columns of an output row: the quantiles, then the shares of the seasonal anchors. */
export const OUTPUT_COLUMNS = LEVELS.length + SEASONAL_ANCHORS.length;
/** softplus of it is 1. */
const UNIT_GAP = Math.log(Math.E - 1);
/** Mean absolute value over standard deviation of a normal distribution. */
const NORMAL_MEAN_SIZE = Math.sqrt(2 / Math.PI);

/** Shape of each part of the weights, in the order in which they stand in the flat array. */
export function layout({ lstmUnits, headUnits }: Architecture): readonly (readonly [name: string, rows: number, columns: number])[] {
  return [
    ['lstm.input', PATCH_CHANNELS, 4 * lstmUnits], ['lstm.state', lstmUnits, 4 * lstmUnits], ['lstm.bias', 1, 4 * lstmUnits],
    ['head.window', lstmUnits + TRAITS, headUnits], ['head.lead', LEAD_TRAITS, headUnits], ['head.bias', 1, headUnits],
    ['head.deep', headUnits, headUnits], ['head.deepBias', 1, headUnits],
    ['answer.weights', headUnits, ANSWERS], ['answer.bias', 1, ANSWERS],
  ];
}

export const weightCount = (architecture: Architecture): number => layout(architecture).reduce((sum, [, rows, columns]) => sum + rows * columns, 0);

/** Weights to begin with. */
export function freshWeights(architecture: Architecture, rng: Rng): Float32Array {
  const weights = new Float32Array(weightCount(architecture));
  let at = 0;
  for (const [name, rows, columns] of layout(architecture)) {
    const size = rows * columns;
    // Glorot's bounds; the last layer starts close to the random walk.
    const bound = Math.sqrt(6 / (rows + columns)) * (name === 'answer.weights' ? 0.1 : 1);
    for (let i = 0; i < size; i++) {
      // An LSTM that forgets at first does not learn what to keep: its second quarter of biases starts at 1.
      if (rows === 1) weights[at + i] = name === 'lstm.bias' && Math.floor(i / architecture.lstmUnits) === 1 ? 1 : 0;
      else weights[at + i] = (2 * rng.next() - 1) * bound;
    }
    at += size;
  }
  return weights;
}

/** The weights as tensors, in the order of `layout`. The caller disposes of them. */
export function weightTensors(tf: Tf, architecture: Architecture, weights: Float32Array): Tensor2D[] {
  let at = 0;
  return layout(architecture).map(([, rows, columns]) => tf.tensor2d(weights.slice(at, (at += rows * columns)), [rows, columns]));
}

/** A batch on the backend. */
export interface Inputs { readonly patches: Tensor2D; readonly traits: Tensor2D; readonly anchors: Tensor2D; readonly leadTraits: Tensor2D }

export function inputsOf(tf: Tf, batch: EncodedBatch): Inputs {
  const rows = batch.size * LEADS.length;
  return {
    patches: tf.tensor2d(batch.patches, [PATCHES * batch.size, PATCH_CHANNELS]), traits: tf.tensor2d(batch.traits, [batch.size, TRAITS]),
    anchors: tf.tensor2d(batch.anchors, [rows, ANCHORS]), leadTraits: tf.tensor2d(batch.leadTraits, [rows, LEAD_TRAITS]),
  };
}

/** @returns (windows × leads) rows of `OUTPUT_COLUMNS`, in scales of the lead relative to the last value. */
export function forward(tf: Tf, { lstmUnits }: Architecture, weights: readonly Tensor2D[], inputs: Inputs): Tensor2D {
  const [lstmInput, lstmState, lstmBias, headWindow, headLead, headBias, deep, deepBias, answerWeights, answerBias] = weights as readonly Tensor2D[] & { readonly length: 10 };
  const size = inputs.traits.shape[0];
  const state = recur(tf, size, lstmUnits, [inputs.patches, lstmInput!, lstmState!, lstmBias!]);
  const ofWindow = tf.matMul(tf.concat([state, inputs.traits], 1), headWindow!);
  const units = ofWindow.shape[1]!;
  const ofLead = tf.reshape(tf.add(tf.matMul(inputs.leadTraits, headLead!), headBias!), [size, LEADS.length, units]);
  const first = tf.reshape(tf.relu(tf.add(ofLead, tf.reshape(ofWindow, [size, 1, units]))), [size * LEADS.length, units]);
  const second: Tensor = tf.relu(tf.add(tf.matMul(first as Tensor2D, deep!), deepBias!));
  const answers = tf.add(tf.matMul(second as Tensor2D, answerWeights!), answerBias!);
  return quantiles(tf, answers as Tensor2D, inputs.anchors);
}

function recur(tf: Tf, size: number, units: number, [patches, input, recurrent, bias]: readonly [Tensor2D, Tensor2D, Tensor2D, Tensor2D]): Tensor2D {
  const projected = tf.split(tf.add(tf.matMul(patches, input), bias), PATCHES, 0);
  let hidden: Tensor = tf.zeros([size, units]);
  let cell: Tensor = tf.zeros([size, units]);
  for (const patch of projected) {
    const [gates, candidate] = tf.split(tf.add(patch, tf.matMul(hidden as Tensor2D, recurrent)), [3 * units, units], 1) as [Tensor, Tensor];
    const [take, keep, show] = tf.split(tf.sigmoid(gates), 3, 1) as [Tensor, Tensor, Tensor];
    cell = tf.add(tf.mul(keep, cell), tf.mul(take, tf.tanh(candidate)));
    hidden = tf.mul(show, tf.tanh(cell));
  }
  return hidden as Tensor2D;
}

function quantiles(tf: Tf, answers: Tensor2D, anchors: Tensor2D): Tensor2D {
  const [mix, shift, rawGaps] = tf.split(answers, [ANCHORS, 1, GAPS], 1) as [Tensor2D, Tensor2D, Tensor2D];
  const median = tf.add(tf.sum(tf.mul(mix, anchors), 1, true), shift);
  const gaps = tf.softplus(tf.add(rawGaps, UNIT_GAP));
  const seasonal = tf.slice(mix, [0, SEASONAL_ANCHORS[0]], [-1, SEASONAL_ANCHORS.length]);
  return tf.concat([tf.add(median, tf.matMul(gaps as Tensor2D, gapSums(tf))), seasonal], 1) as Tensor2D;
}

/** gaps × this = each quantile's distance to the median: the running sums outwards, each gap as wide as a normal one of unit mean size. */
function gapSums(tf: Tf): Tensor2D {
  const middle = LEVELS.indexOf(0.5);
  const table = new Float32Array(GAPS * LEVELS.length);
  for (let gap = 0; gap < GAPS; gap++) {
    const width = (normalQuantile(LEVELS[gap + 1]!) - normalQuantile(LEVELS[gap]!)) / NORMAL_MEAN_SIZE;
    for (let j = 0; j < LEVELS.length; j++) {
      if (gap >= middle && j > gap) table[gap * LEVELS.length + j] = width;
      if (gap < middle && j <= gap) table[gap * LEVELS.length + j] = -width;
    }
  }
  return tf.tensor2d(table, [GAPS, LEVELS.length]);
}
