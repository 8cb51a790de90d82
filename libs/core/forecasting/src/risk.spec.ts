import fc from 'fast-check';
import { Xoshiro128 } from '@godwit/kernel';
import { expectedExcess, probabilityAbove } from './distribution.js';
import type { Forecast } from './forecast.js';
import { LEVELS, normalQuantile } from './levels.js';
import { assessRisk, firstPassage } from './risk.js';
import { Series } from './series.js';
import { noise, normal, randomWalk } from './synthetic.js';

/** Normal quantiles around each centre. */
const forecastOf = (centres: readonly number[], deviation: number, stepMs = 1_000): Forecast => ({
  resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 0, stepMs, levels: LEVELS, models: [], pinballLoss: null, drift: false,
  values: Float64Array.from(centres.flatMap((centre) => LEVELS.map((level) => centre + deviation * normalQuantile(level)))),
});
const rising = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 9, maxLength: 9 })
  .map((values) => Float64Array.from(values).sort());

describe('a row of quantiles', () => {
  it('is a distribution: the probability above falls from one to zero', () => {
    fc.assert(fc.property(rising, fc.double({ min: -150, max: 150, noNaN: true }), fc.double({ min: 0, max: 50, noNaN: true }), (values, threshold, more) => {
      const row = { levels: LEVELS, values, at: 0 };
      const p = probabilityAbove(row, threshold);
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(probabilityAbove(row, threshold + more)).toBeLessThanOrEqual(p + 1e-12);
    }));
  });

  it('has an expected excess that is the integral of the probability above', () => {
    fc.assert(fc.property(rising, fc.double({ min: -120, max: 120, noNaN: true }), (values, threshold) => {
      const row = { levels: LEVELS, values, at: 0 };
      const slices = 4_000;
      const width = 600 / slices;
      let integral = 0;
      for (let i = 0; i < slices; i++) integral += probabilityAbove(row, threshold + (i + 0.5) * width) * width;
      expect(Math.abs(expectedExcess(row, threshold) - integral)).toBeLessThan(0.4);
    }), { numRuns: 50 });
  });

  it('agrees with the normal distribution', () => {
    const { values } = forecastOf([10], 2);
    for (const [threshold, expected] of [[10, 0.5], [12, 0.159], [13.29, 0.05], [15, 0.0062]] as const) {
      expect(Math.abs(probabilityAbove({ levels: LEVELS, values, at: 0 }, threshold) - expected)).toBeLessThan(0.02);
    }
  });
});

describe('first passage', () => {
  it('lies between the worst step and independence, and grows with every step', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(shares, fc.double({ min: 0, max: 1, noNaN: true }), (above, correlation) => {
      const passed = firstPassage(Float64Array.from(above), correlation);
      const independent = 1 - above.reduce((spared, share) => spared * (1 - share), 1);
      const last = passed[above.length - 1]!;
      expect(last).toBeGreaterThanOrEqual(Math.max(...above) - 1e-9);
      expect(last).toBeLessThanOrEqual(independent + 0.02);
      passed.forEach((share, k) => expect(k === 0 || share >= passed[k - 1]!).toBe(true));
    }));
  });

  it.each([0, 0.5, 0.9, 0.967])('agrees with a simulation of the chain at correlation %d', (correlation) => {
    const rng = Xoshiro128.seeded(5);
    const steps = 30;
    const threshold = normalQuantile(0.95);
    const runs = 4_000;
    let passedRuns = 0;
    for (let run = 0; run < runs; run++) {
      let z = normal(rng);
      for (let k = 0; k < steps; k++) {
        if (z > threshold) {
          passedRuns++;
          break;
        }
        z = correlation * z + Math.sqrt(1 - correlation ** 2) * normal(rng);
      }
    }
    const computed = firstPassage(new Float64Array(steps).fill(0.05), correlation)[steps - 1]!;
    expect(Math.abs(computed - passedRuns / runs)).toBeLessThan(0.03);
  });
});

describe('risk', () => {
  it('is certain above and nil far below', () => {
    const forecast = forecastOf([5, 5, 5], 0.1);
    expect(assessRisk(forecast, 3)).toMatchObject({ probability: 1, timeToOverloadMs: { p10: 1_000, p50: 1_000, p90: 1_000 } });
    expect(assessRisk(forecast, 3).expectedOverload).toBeCloseTo(6, 1);
    const calm = assessRisk(forecast, 9);
    expect(calm.probability).toBeLessThan(1e-6);
    expect(calm.timeToOverloadMs).toEqual({ p10: null, p50: null, p90: null });
    expect(calm.expectedOverload).toBeLessThan(1e-6);
  });

  it('tells when: a climbing path passes around the step where its median does', () => {
    const { timeToOverloadMs } = assessRisk(forecastOf(Array.from({ length: 60 }, (_, k) => k * 0.1), 0.3), 3);
    expect(timeToOverloadMs.p50!).toBeGreaterThan(25_000);
    expect(timeToOverloadMs.p50!).toBeLessThanOrEqual(31_000);
    expect(timeToOverloadMs.p10!).toBeLessThan(timeToOverloadMs.p50!);
    expect(timeToOverloadMs.p90!).toBeGreaterThan(timeToOverloadMs.p50!);
  });

  it('rises as capacity falls, also when it falls in one step only', () => {
    const forecast = forecastOf(new Array<number>(10).fill(2), 0.3);
    const lowered = new Float64Array(10).fill(4);
    lowered[6] = 1.5;
    const risk = assessRisk(forecast, lowered);
    expect(assessRisk(forecast, 4).probability).toBeLessThan(0.01);
    expect(risk.probability).toBeGreaterThan(0.9);
    expect(risk.timeToOverloadMs.p50).toBe(7_000);
  });

  it('takes the correlation that the forecast has learnt, unless told otherwise', () => {
    const forecast = forecastOf(new Array<number>(30).fill(2), 0.3);
    const limit = 2.5;
    const loose = assessRisk({ ...forecast, correlationMs: 0 }, limit).probability;
    const usual = assessRisk(forecast, limit).probability;
    const tight = assessRisk({ ...forecast, correlationMs: 500_000 }, limit).probability;
    expect(loose).toBeGreaterThan(usual);
    expect(usual).toBeGreaterThan(tight);
    expect(assessRisk({ ...forecast, correlationMs: 0 }, limit, { correlationMs: 500_000 }).probability).toBeCloseTo(tight, 1);
  });

  it('is learnt from a series: steps of noise are independent, steps of a walk are not', () => {
    const learnt = (values: readonly number[]): number => {
      const series = new Series({ resource: 'a', unit: 'b' });
      values.forEach((value, t) => series.observe(value, t * 1_000));
      return series.forecast(values.length * 1_000, 60_000)!.correlationMs!;
    };
    expect(learnt(noise(Xoshiro128.seeded(1), 400))).toBeLessThan(1_500);
    expect(learnt(randomWalk(Xoshiro128.seeded(2), 400))).toBeGreaterThan(5_000);
  });
});
