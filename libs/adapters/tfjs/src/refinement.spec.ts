import { jest } from '@jest/globals';
import { Xoshiro128 } from '@godwit/kernel';
import { openBackend } from './backend.js';
import { newBatch } from './encoding.js';
import { modelOf, type NeuralModel } from './model-file.js';
import { freshWeights } from './network.js';
import { Refiner } from './refinement.js';
import { Trainer } from './trainer.js';
import { newTargets, sampleAnywhere, trainingSeries } from './window-sampler.js';

// Seconds of computing, more on a loaded machine.
jest.setTimeout(120_000);

const SMALL = { lstmUnits: 5, headUnits: 6 };
const model = modelOf(SMALL, freshWeights(SMALL, Xoshiro128.seeded(2)), '2026-11-21');
const backend = await openBackend('wasm');
const random = Xoshiro128.seeded(3);
/** Noise about a level, and runs that go on: what is right for one is wrong for the other. */
const noise = (): Float64Array => Float64Array.from({ length: 192 }, () => random.next());
const runs = (): Float64Array => {
  let [value, slope] = [0, 0];
  return Float64Array.from({ length: 192 }, (_, t) => (value += t % 48 === 0 ? (slope = random.next() - 0.5) : slope) + 0.01 * random.next());
};

const refiner = (shipped = model, rate?: number): Refiner => new Refiner(backend, shipped, Xoshiro128.seeded(1), rate);

/** A model that knows noise already. */
function knowsNoise(): NeuralModel {
  const trainer = new Trainer(backend, SMALL, model.weights, 0);
  const series = Array.from({ length: 40 }, () => trainingSeries(noise())!);
  const [batch, targets] = [newBatch(32), newTargets(32)];
  for (let step = 0; step < 12; step++) {
    for (let row = 0; row < 32; row++) sampleAnywhere(series[(step + row) % series.length]!, random, batch, targets, row);
    trainer.step(batch, targets, 0.02);
  }
  return modelOf(SMALL, trainer.weights, '2026-11-21');
}

it('lowers the loss on series like those that it saw, and then uses what it learnt', () => {
  const own = refiner(model, 0.01);
  for (let k = 0; k < 100; k++) own.keep(noise(), k);
  own.refine();
  const last = own.refine();
  expect(last.refinedLoss!).toBeLessThan(last.shippedLoss!);
  expect(last.refinedInUse).toBe(true);
  expect(own.weights()).not.toEqual(model.weights);
});

it('keeps to the shipped weights while the refined ones lose on what they have not learnt from', () => {
  const shipped = knowsNoise();
  const own = refiner(shipped, 0.05);
  // One series in four is for checking: those are what the model knew.
  for (let k = 0; k < 200; k++) own.keep(k % 4 === 0 ? noise() : runs(), k);
  const outcomes = Array.from({ length: 2 }, () => own.refine());
  const last = outcomes.at(-1)!;
  expect(last.refinedLoss!).toBeGreaterThan(last.shippedLoss!);
  expect(last.refinedInUse).toBe(false);
  expect(own.weights()).toBe(shipped.weights);
});

it('keeps a bounded number of histories and leaves out those that tell nothing', () => {
  const own = refiner();
  for (let k = 0; k < 30; k++) own.keep(noise().subarray(0, 20), k);
  own.keep(new Float64Array(192).fill(4), 1);
  expect(own.refine()).toEqual({ kept: 0, shippedLoss: null, refinedLoss: null, refinedInUse: false });
  for (let k = 0; k < 700; k++) own.keep(noise(), k);
  expect(own.refine().kept).toBe(512);
});
