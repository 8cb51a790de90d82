import fc from 'fast-check';
import { Xoshiro128 } from '@godwit/kernel';
import { stepsOf } from './forecast.js';
import { LEVELS } from './levels.js';
import { assessRisk } from './risk.js';
import { Series } from './series.js';
import { noise, ramp } from './synthetic.js';

const MEDIAN = LEVELS.indexOf(0.5);
const T0 = 1_800_000_000_000;
const cores = (): Series => new Series({ resource: 'cpu.demand_cores', unit: 'cores', floor: 0 });
const feed = (series: Series, values: readonly number[], fromMs = T0, everyMs = 1_000): number => {
  values.forEach((value, i) => series.observe(value, fromMs + i * everyMs));
  return fromMs + values.length * everyMs;
};

describe('a series', () => {
  it('forecasts nothing before its first sample', () => {
    expect(cores().forecast(T0, 60_000)).toBeUndefined();
  });

  it('forecasts from the first sample on, with every step and level asked for', () => {
    const series = cores();
    series.observe(0.5, T0);
    const forecast = series.forecast(T0 + 10, 60_000, 1_000)!;
    expect(stepsOf(forecast)).toBe(60);
    expect(forecast).toMatchObject({ resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: T0 + 10, stepMs: 1_000, levels: LEVELS });
    forecast.values.forEach((value) => expect(value).toBeCloseTo(0.5, 9));
    expect(forecast.models.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9);
  });

  it('foresees that a ramp will pass a capacity, 10 s before it does, when the last value says nothing', () => {
    const series = cores();
    // 0.01 cores a second: passes 2 cores at second 200.
    const nowMs = feed(series, ramp(Xoshiro128.seeded(1), 185, 0.01, 0.01, 0));
    const risk = assessRisk(series.forecast(nowMs, 30_000)!, 2);
    expect(risk.probability).toBeGreaterThan(0.8);
    expect(risk.timeToOverloadMs.p50!).toBeGreaterThan(8_000);
    expect(risk.timeToOverloadMs.p50!).toBeLessThan(24_000);
  });

  it('is calm on noise below the capacity', () => {
    const series = cores();
    const nowMs = feed(series, noise(Xoshiro128.seeded(2), 300, 1, 0.05));
    expect(assessRisk(series.forecast(nowMs, 60_000)!, 2).probability).toBeLessThan(0.01);
  });

  it('averages the samples of a step, and takes them out of order within it', () => {
    const [even, shuffled] = [cores(), cores()];
    for (let s = 0; s < 50; s++) {
      even.observe(s % 7, T0 + s * 1_000);
      for (const [offsetMs, extra] of [[700, 1], [100, -1], [400, 0]] as const) shuffled.observe((s % 7) + extra, T0 + s * 1_000 + offsetMs);
    }
    const a = even.forecast(T0 + 50_000, 10_000)!.values;
    const b = shuffled.forecast(T0 + 50_000, 10_000)!.values;
    a.forEach((value, i) => expect(b[i]!).toBeCloseTo(value, 9));
  });

  it('refuses what is no sample, and nothing changes', () => {
    const [clean, dirty] = [cores(), cores()];
    const values = noise(Xoshiro128.seeded(3), 100, 1, 0.1);
    feed(clean, values);
    values.forEach((value, i) => {
      const atMs = T0 + i * 1_000;
      dirty.observe(value, atMs);
      dirty.observe(NaN, atMs + 1);
      dirty.observe(Infinity, atMs + 2);
      dirty.observe(1e16, atMs + 3);
      dirty.observe(5, NaN);
      dirty.observe(value, atMs);
      if (i > 10) dirty.observe(99, atMs - 5_000);
    });
    expect(dirty.refused).toEqual({ invalid: 400, repeated: 100, late: 89, counterReset: 0 });
    expect(dirty.forecast(T0 + 100_000, 30_000)!.values).toEqual(clean.forecast(T0 + 100_000, 30_000)!.values);
  });

  it('goes on within a few samples when the clock goes back an hour', () => {
    const series = cores();
    feed(series, noise(Xoshiro128.seeded(4), 100, 1, 0.1));
    const backMs = T0 - 3_600_000;
    const nowMs = feed(series, noise(Xoshiro128.seeded(5), 60, 3, 0.1), backMs);
    expect(series.refused.late).toBe(4);
    expect(series.forecast(nowMs, 10_000)!.values[MEDIAN]!).toBeGreaterThan(2.5);
  });

  it('takes a short batch that was held up for late, not for a clock that went back', () => {
    const [prompt, disturbed] = [cores(), cores()];
    const values = noise(Xoshiro128.seeded(12), 50, 1, 0.1);
    const nowMs = feed(prompt, values);
    feed(disturbed, values);
    for (let i = 0; i < 10; i++) disturbed.observe(9, T0 + 20_000 + i * 100);
    expect(disturbed.refused.late).toBe(10);
    expect(disturbed.forecast(nowMs, 10_000)).toEqual(prompt.forecast(nowMs, 10_000));
  });

  it('takes a jump of the clock into the future as a gap', () => {
    const series = cores();
    feed(series, noise(Xoshiro128.seeded(6), 100, 1, 0.1));
    const nowMs = feed(series, noise(Xoshiro128.seeded(7), 40, 1, 0.1), T0 + 365 * 86_400_000);
    expect(series.learntSteps).toBe(139);
    expect(Math.abs(series.forecast(nowMs, 10_000)!.values[MEDIAN]! - 1)).toBeLessThan(0.2);
  });

  it('makes rates of a counter, also across its restart and with irregular samples', () => {
    const series = new Series({ resource: 'input.records_per_second', unit: 'records/s', kind: 'counter', floor: 0 });
    let total = 1e9;
    let atMs = T0;
    const rng = Xoshiro128.seeded(8);
    for (let i = 0; i < 200; i++) {
      const elapsedMs = 200 + Math.floor(rng.next() * 1_500);
      atMs += elapsedMs;
      total = i === 120 ? 0 : total + (50 * elapsedMs) / 1_000;
      series.observe(total, atMs);
    }
    expect(series.refused.counterReset).toBe(1);
    const { values } = series.forecast(atMs, 10_000)!;
    values.forEach((value) => expect(Math.abs(value - 50)).toBeLessThan(0.01));
  });

  it('is rebuilt by a replay of its history', () => {
    const [live, rebuilt] = [cores(), cores()];
    const values = noise(Xoshiro128.seeded(9), 150, 1, 0.2);
    const nowMs = feed(live, values);
    rebuilt.replay(values.map((value, i) => ({ value, atMs: T0 + i * 1_000 })));
    expect(rebuilt.forecast(nowMs, 60_000)).toEqual(live.forecast(nowMs, 60_000));
  });

  it('forecasts in steps finer and coarser than its own', () => {
    const series = cores();
    const nowMs = feed(series, ramp(Xoshiro128.seeded(10), 100, 0.01, 0.001, 1));
    const own = series.forecast(nowMs, 60_000, 1_000)!;
    const fine = series.forecast(nowMs, 10_000, 100)!;
    const coarse = series.forecast(nowMs, 60_000, 5_000)!;
    expect(stepsOf(fine)).toBe(100);
    expect(fine.values[99 * LEVELS.length + MEDIAN]).toBe(own.values[9 * LEVELS.length + MEDIAN]);
    expect(stepsOf(coarse)).toBe(12);
    expect(coarse.values[MEDIAN]).toBe(own.values[2 * LEVELS.length + MEDIAN]);
  });

  it('counts the age of its newest sample into the lead', () => {
    const series = cores();
    const nowMs = feed(series, ramp(Xoshiro128.seeded(11), 200, 0.01, 0.001, 1));
    const fresh = series.forecast(nowMs, 1_000)!.values[MEDIAN]!;
    const stale = series.forecast(nowMs + 10_000, 1_000)!.values[MEDIAN]!;
    expect(stale - fresh).toBeGreaterThan(0.06);
  });

  it('never falls below its floor, never crosses, never loses a number, whatever comes when', () => {
    const sample = fc.tuple(fc.oneof(fc.double(), fc.double({ min: -10, max: 10 })), fc.integer({ min: -20_000, max: 20_000 }));
    fc.assert(fc.property(fc.array(sample, { maxLength: 80 }), fc.integer({ min: -1e6, max: 1e6 }), (samples, askedMs) => {
      const series = cores();
      let atMs = T0;
      for (const [value, movedMs] of samples) series.observe(value, (atMs += movedMs));
      const forecast = series.forecast(T0 + askedMs, 20_000, 700);
      forecast?.values.forEach((value, i) => {
        expect(Number.isFinite(value) && value >= 0).toBe(true);
        if (i % LEVELS.length > 0) expect(value).toBeGreaterThanOrEqual(forecast.values[i - 1]!);
      });
    }), { numRuns: 80 });
  });
});
