/** The contract of the model, on each backend that is here. It prints which those are. */
import { jest } from '@jest/globals';
import fc from 'fast-check';
import { LEVELS } from '@godwit/forecasting';
import { Xoshiro128 } from '@godwit/kernel';
import { BACKENDS, openBackend, type Backend } from './backend.js';
import { newBatch } from './encoding.js';
import { generateSeries } from './generator.js';
import { freshWeights, type Architecture } from './network.js';
import { Predictor } from './predictor.js';
import { lossOf, Trainer } from './trainer.js';
import { newTargets, sampleAnywhere, trainingSeries } from './window-sampler.js';

// Seconds of computing, more on a loaded machine.
jest.setTimeout(120_000);

const SMALL: Architecture = { lstmUnits: 6, headUnits: 8 };
const STEPS = 80;

const present: Backend[] = [];
for (const name of BACKENDS) {
  try {
    present.push(await openBackend(name));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
process.stderr.write(`TensorFlow.js backends under contract: ${present.map(({ name }) => name).join(', ')}\n`);

/** Random weights, the last layer's too: nothing may rest on a network that was trained. */
function wildWeights(seed: number): Float32Array {
  const rng = Xoshiro128.seeded(seed);
  return freshWeights(SMALL, rng).map((weight) => weight + 0.4 * (rng.next() - 0.5));
}

const seriesOf = (seed: number, steps: number): Float64Array => generateSeries(Xoshiro128.seeded(seed), steps);

it('finds at least one backend, and WebAssembly among them, which needs nothing but node_modules', () => {
  expect(present.map(({ name }) => name)).toContain('wasm');
});

describe.each(present.map((backend) => [backend.name, backend] as const))('the model on %s', (name, backend) => {
  beforeEach(async () => {
    await backend.tf.setBackend(name);
  });
  const withPredictor = <Result>(weights: Float32Array, use: (predictor: Predictor) => Result): Result => {
    const predictor = new Predictor(backend, SMALL, weights);
    try {
      return use(predictor);
    } finally {
      predictor.close();
    }
  };

  it('gives quantiles that never cross and are finite, at every step, for every kind of series', () => {
    withPredictor(wildWeights(3), (predictor) => {
      const histories = Array.from({ length: 40 }, (_, k) => seriesOf(k, 16 + 6 * k));
      for (const path of predictor.predict(histories, STEPS)) {
        expect(path).toHaveLength(STEPS * LEVELS.length);
        for (let at = 0; at < path!.length; at++) {
          expect(Number.isFinite(path![at]!)).toBe(true);
          if (at % LEVELS.length > 0) expect(path![at]!).toBeGreaterThanOrEqual(path![at - 1]!);
        }
      }
    });
  });

  it('shifts and stretches with the series', () => {
    withPredictor(wildWeights(4), (predictor) => {
      fc.assert(fc.property(fc.integer({ min: 0, max: 500 }), fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.double({ min: -1e3, max: 1e3, noNaN: true }), (seed, stretch, shift) => {
        const series = seriesOf(seed, 140);
        const moved = series.map((value) => stretch * (value + shift));
        const [own, other] = predictor.predict([series, moved], 40) as [Float64Array, Float64Array];
        const size = Math.max(...own.map(Math.abs), Math.abs(shift), 1);
        for (let at = 0; at < own.length; at++) expect(Math.abs(other[at]! / stretch - shift - own[at]!)).toBeLessThan(1e-3 * size);
      }), { numRuns: 6, seed: 7 });
    });
  });

  it('answers the same whatever else is in the batch', () => {
    withPredictor(wildWeights(5), (predictor) => {
      const histories = Array.from({ length: 5 }, (_, k) => seriesOf(90 + k, 150));
      const alone = predictor.predict([histories[2]!], 30)[0]!;
      const among = predictor.predict(histories, 30)[2]!;
      for (let at = 0; at < alone.length; at++) expect(Math.abs(alone[at]! - among[at]!)).toBeLessThan(1e-4 * (1 + Math.abs(alone[at]!)));
    });
  });

  it('says nothing on a history that is too short, the value itself on one that stands still, and bridges gaps', () => {
    withPredictor(wildWeights(6), (predictor) => {
      const still = new Float64Array(100).fill(7);
      const gappy = seriesOf(1, 150).map((value, t) => (t % 5 === 3 || t < 9 ? NaN : value));
      const [short, constant, bridged, empty] = predictor.predict([seriesOf(2, 15), still, gappy, new Float64Array(20).fill(NaN)], 10);
      expect(short).toBeUndefined();
      expect(empty).toBeUndefined();
      expect(new Set(constant)).toEqual(new Set([7]));
      expect(bridged!.every(Number.isFinite)).toBe(true);
    });
  });

  it('learns: a few steps on one kind of series lower its loss, the same with the same seed', () => {
    const losses = [1, 2].map(() => {
      const rng = Xoshiro128.seeded(11);
      const series = Array.from({ length: 6 }, (_, k) => trainingSeries(Float64Array.from({ length: 260 }, (_, t) => Math.sin((2 * Math.PI * (t + 3 * k)) / 13) + 0.1 * rng.next()))!);
      const [batch, targets] = [newBatch(16), newTargets(16)];
      for (let row = 0; row < 16; row++) sampleAnywhere(series[row % series.length]!, rng, batch, targets, row);
      const trainer = new Trainer(backend, SMALL, freshWeights(SMALL, rng), 0);
      const before = lossOf(backend, SMALL, trainer.weights, batch, targets);
      for (let step = 0; step < 6; step++) trainer.step(batch, targets, 0.03);
      return { before, after: lossOf(backend, SMALL, trainer.weights, batch, targets) };
    });
    expect(losses[0]!.after).toBeLessThan(0.9 * losses[0]!.before);
    expect(losses[1]).toEqual(losses[0]);
  });

  it('leaves no tensor behind', () => {
    const before = backend.tf.memory().numTensors;
    withPredictor(wildWeights(8), (predictor) => predictor.predict([seriesOf(3, 140)], 20));
    expect(backend.tf.memory().numTensors).toBe(before);
  });
});

it('refuses a backend that is not there with its name', async () => {
  await expect(openBackend('webgpu' as 'cpu')).rejects.toThrow('webgpu');
});
