import { jest } from '@jest/globals';
import { LEVELS, normalQuantile, Series } from '@godwit/forecasting';
import { isRefusal, Xoshiro128, type Rng } from '@godwit/kernel';
import { openBackend } from './backend.js';
import { loadModel, SHIPPED_MODELS, type NeuralModel } from './model-file.js';
import { Predictor } from './predictor.js';
import { scoreHeldOut } from './train-model.js';

// Seconds of computing, more on a loaded machine.
jest.setTimeout(120_000);

const backend = await openBackend('wasm');
let model: NeuralModel;
beforeAll(async () => {
  const loaded = await loadModel(SHIPPED_MODELS);
  if (isRefusal(loaded)) throw new Error(loaded.reason);
  model = loaded;
});

const normal = (rng: Rng): number => normalQuantile((rng.nextUint32() + 0.5) / 0x1_0000_0000);
function drawn(seed: number, make: (rng: Rng) => (t: number) => number, count = 8): Float64Array[] {
  return Array.from({ length: count }, (_, k) => {
    const next = make(Xoshiro128.seeded(1_000 * seed + k));
    return Float64Array.from({ length: 420 }, (_value, t) => next(t));
  });
}
const overBetterNaive = (series: Float64Array[]): number => {
  const { neural, lastValue, rollingMedian } = scoreHeldOut(backend, model.architecture, model.weights, series);
  return neural / Math.min(lastValue, rollingMedian);
};

/** The bank's last value knows by itself how the width of a random walk grows: what remains is what the network does not know of it. */
it('abstains on random walks: at most 3 % worse than last value', () => {
  expect(overBetterNaive(drawn(1, (rng) => {
    let value = 50;
    return () => (value += normal(rng));
  }, 60))).toBeLessThan(1.03);
});

it('is no worse than the better naive model on noise, and far better on a cycle, a ramp and what returns to its level', () => {
  expect(overBetterNaive(drawn(2, (rng) => () => 5 + normal(rng)))).toBeLessThan(1.05);
  expect(overBetterNaive(drawn(3, (rng) => (t) => 5 * Math.sin((2 * Math.PI * t) / 17) + normal(rng)))).toBeLessThan(0.5);
  expect(overBetterNaive(drawn(4, (rng) => (t) => 0.5 * t + normal(rng)))).toBeLessThan(0.5);
  expect(overBetterNaive(drawn(5, (rng) => {
    let value = 0;
    return () => 10 + (value = 0.85 * value + normal(rng));
  }))).toBeLessThan(0.95);
});

it('takes part in the forecast of a series by its name, with the loss that its paths had', () => {
  const predictor = new Predictor(backend, model.architecture, model.weights);
  const series = new Series({ resource: 'cpu.demand_cores', unit: 'cores' });
  const rng = Xoshiro128.seeded(9);
  for (let t = 0; t < 200; t++) {
    series.observe(5 * Math.sin((2 * Math.PI * t) / 17) + normal(rng), t * 1_000 + 500);
    if (t % 5 !== 0) continue;
    const history = new Float64Array(192);
    const values = predictor.predict([history.subarray(0, series.history(history))], 70)[0];
    if (values) expect(series.acceptExternal({ model: 'lstm', issuedAtMs: series.historyEndMs, stepMs: 1_000, values })).toBe(true);
  }
  const forecast = series.forecast(200_000, 60_000)!;
  const share = forecast.models.find(({ name }) => name === 'lstm')!;
  expect(forecast.values).toHaveLength(60 * LEVELS.length);
  expect(share.weight).toBeGreaterThan(0);
  expect(share.pinballLoss).toBeGreaterThan(0);
});
