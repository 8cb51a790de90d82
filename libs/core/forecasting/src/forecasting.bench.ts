/**
 * Cost and accuracy of the online path on synthetic, seeded series. Left out: real traces and other programs' forecasts (R), which
 * are judged elsewhere; the wire. Measures the built files: after `npx tsc -b libs/core/forecasting`, run
 * `npx node libs/core/forecasting/src/forecasting.bench.ts` (Node 24 strips the types). With the argument `pooled-default` it trains
 * the shipped pooled weights anew and prints `pooled-default.ts`.
 */
import { Xoshiro128, type Rng } from '@godwit/kernel';
import { Combination } from '../dist/combination.js';
import { evaluateModels } from '../dist/evaluation.js';
import { LEVELS } from '../dist/levels.js';
import { MODELS } from '../dist/models.js';
import { pooledDefaultText, trainPooled } from '../dist/pooled-training.js';
import { assessRisk } from '../dist/risk.js';
import { Series } from '../dist/series.js';
import { ar1, noise, ramp, randomWalk, season } from '../dist/synthetic.js';

const OPTIONS = { levels: LEVELS, maxHorizonSteps: 64, priorSpread: 0 };
const LEADS = Int32Array.of(1, 2, 5, 10, 20, 40, 60);
const HORIZON_STEPS = 60;

const nowUs = (): number => performance.now() * 1_000;
const print = (line: string): void => console.log(line);

const FAMILIES: readonly (readonly [string, (rng: Rng) => number[]])[] = [
  ['random walk', (rng) => randomWalk(rng, 1_500)],
  ['noise', (rng) => noise(rng, 1_500)],
  ['AR(1) 0.8', (rng) => ar1(rng, 1_500, 0.8)],
  ['ramp', (rng) => ramp(rng, 1_500, 0.2, 1)],
  ['season of 90 steps', (rng) => season(rng, 1_500, 90, 5, 0.5)],
];

/** Microseconds of one update and one forecast of 60 steps × 9 quantiles, mean over a warm series; and of the risk of it. */
function benchCost(): void {
  const series = new Series({ resource: 'cpu.demand_cores', unit: 'cores', floor: 0 });
  const values = ar1(Xoshiro128.seeded(1), 6_000, 0.8);
  const [warmUp, measured] = [2_000, 4_000];
  let [updateUs, forecastUs, riskUs] = [0, 0, 0];
  for (let t = 0; t < warmUp + measured; t++) {
    const t0 = nowUs();
    series.observe(values[t]!, t * 1_000);
    const t1 = nowUs();
    const forecast = series.forecast(t * 1_000, HORIZON_STEPS * 1_000)!;
    const t2 = nowUs();
    assessRisk(forecast, 14);
    const t3 = nowUs();
    if (t < warmUp) continue;
    updateUs += (t1 - t0) / measured;
    forecastUs += (t2 - t1) / measured;
    riskUs += (t3 - t2) / measured;
  }
  print(`per series and step: update ${updateUs.toFixed(1)} µs, forecast 60 × 9 ${forecastUs.toFixed(1)} µs, together ${(updateUs + forecastUs).toFixed(1)} µs; risk ${riskUs.toFixed(1)} µs`);
}

/** Pinball loss and MASE-like error of the combination relative to the last value (below 1 is better), and coverage. */
function benchAccuracy(): void {
  for (const [family, make] of FAMILIES) {
    let [own, naive, ownAbsolute, naiveAbsolute, cover95, cover80] = [0, 0, 0, 0, 0, 0];
    const seeds = [1, 2, 3, 4];
    for (const seed of seeds) {
      const values = make(Xoshiro128.seeded(seed));
      const a = evaluateModels([new Combination(MODELS, OPTIONS)], values, { leads: LEADS, warmUpSteps: 200 }).scores[0]!;
      const b = evaluateModels([MODELS[0]!.create(OPTIONS)], values, { leads: LEADS, warmUpSteps: 200 }).scores[0]!;
      own += a.pinballLoss;
      naive += b.pinballLoss;
      ownAbsolute += a.absoluteError;
      naiveAbsolute += b.absoluteError;
      cover95 += a.coverage.p95 / seeds.length;
      cover80 += a.coverage.p80 / seeds.length;
    }
    print(`${family}: pinball ${(own / naive).toFixed(3)}, MASE ${(ownAbsolute / naiveAbsolute).toFixed(3)} of last value; 80 % interval covers ${(100 * cover80).toFixed(1)} %, 95 % ${(100 * cover95).toFixed(1)} %`);
  }
}

if (process.argv[2] === 'pooled-default') {
  const [series, steps] = [3_000, 400];
  print(pooledDefaultText(trainPooled(Xoshiro128.seeded(1), series, steps), series, steps).trimEnd());
} else {
  benchCost();
  benchAccuracy();
}
