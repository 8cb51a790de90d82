import fc from 'fast-check';
import { isRefusal, type Refusal } from '@godwit/kernel';
import { sumForecasts } from './aggregation.js';
import type { Forecast } from './forecast.js';
import { withKnownFuture } from './known-future.js';
import { LEVELS, normalQuantile } from './levels.js';

const forecastOf = (rows: readonly (readonly number[])[]): Forecast => ({
  resource: 'cpu.demand_cores', unit: 'cores', issuedAtMs: 10_000, stepMs: 1_000, levels: LEVELS, pinballLoss: 0.1, drift: false,
  models: [{ name: 'last-value', weight: 1, pinballLoss: 0.1 }], values: Float64Array.from(rows.flat()),
});
const normalRow = (centre: number, deviation: number): number[] => LEVELS.map((level) => centre + deviation * normalQuantile(level));
const done = <T,>(answer: T | Refusal): T => {
  if (isRefusal(answer)) throw new Error(answer.reason);
  return answer;
};
const anyRow = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 9, maxLength: 9 }).map((row) => row.sort((a, b) => a - b));

describe('a sum of forecasts', () => {
  const parts = [forecastOf([normalRow(1, 0.3)]), forecastOf([normalRow(2, 0.4)])];

  it('adds quantiles when the parts move as one', () => {
    const { values } = done(sumForecasts(parts, { resource: 'sum' }));
    normalRow(3, 0.7).forEach((value, j) => expect(values[j]!).toBeCloseTo(value, 9));
  });

  it('adds variances when they are independent', () => {
    const { values } = done(sumForecasts(parts, { resource: 'sum', correlation: 0 }));
    normalRow(3, 0.5).forEach((value, j) => expect(values[j]!).toBeCloseTo(value, 6));
  });

  it('never crosses, is never wider than with parts that move as one, and is the part when there is one', () => {
    fc.assert(fc.property(fc.array(anyRow, { minLength: 1, maxLength: 6 }), fc.double({ min: 0, max: 1, noNaN: true }), (rows, correlation) => {
      const summands = rows.map((row) => forecastOf([row]));
      const { values } = done(sumForecasts(summands, { resource: 'sum', correlation }));
      const careful = done(sumForecasts(summands, { resource: 'sum' })).values;
      for (let j = 1; j < values.length; j++) expect(values[j]!).toBeGreaterThanOrEqual(values[j - 1]!);
      expect(values[8]! - values[0]!).toBeLessThanOrEqual(careful[8]! - careful[0]! + 1e-9);
      if (rows.length === 1) values.forEach((value, j) => expect(value).toBeCloseTo(rows[0]![j]!, 9));
    }));
  });

  it('refuses what does not fit together, by name', () => {
    expect(sumForecasts([], { resource: 'sum' })).toMatchObject({ refused: true, field: 'parts' });
    expect(sumForecasts([parts[0]!, { ...parts[1]!, stepMs: 2_000 }], { resource: 'sum' })).toMatchObject({ refused: true, field: 'parts[1]' });
    expect(sumForecasts(parts, { resource: 'sum', correlation: NaN })).toMatchObject({ refused: true, field: 'correlation' });
  });
});

describe('known future', () => {
  const flat = forecastOf(Array.from({ length: 10 }, () => normalRow(1, 0.1)));
  const medians = (forecast: Forecast): number[] => Array.from({ length: 10 }, (_, k) => forecast.values[k * LEVELS.length + 4]!);

  it('adds a load by the share of each step that it covers', () => {
    const shifted = medians(done(withKnownFuture(flat, [{ fromMs: 12_500, toMs: 15_000, amount: 2 }])));
    [1, 1, 2, 3, 3, 1, 1, 1, 1, 1].forEach((expected, k) => expect(shifted[k]!).toBeCloseTo(expected, 9));
  });

  it('knows that a load that already runs is in what was observed, and takes it away at its end', () => {
    const shifted = medians(done(withKnownFuture(flat, [{ fromMs: 0, toMs: 14_000, amount: 0.5 }])));
    [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5].forEach((expected, k) => expect(shifted[k]!).toBeCloseTo(expected, 9));
  });

  it('leaves its input as it was', () => {
    const before = flat.values.slice();
    withKnownFuture(flat, [{ fromMs: 12_000, toMs: 15_000, amount: 2 }]);
    expect(flat.values).toEqual(before);
  });

  it.each([
    [{ fromMs: NaN, toMs: 1, amount: 1 }, 'loads[0].fromMs'],
    [{ fromMs: 5, toMs: 5, amount: 1 }, 'loads[0].toMs'],
    [{ fromMs: 5, toMs: 6, amount: Infinity }, 'loads[0].amount'],
  ])('refuses %j', (load, field) => {
    expect(withKnownFuture(flat, [load])).toMatchObject({ refused: true, code: 'invalid-field', field });
  });

  it('drifts when a part does, and hangs together as long as the slowest part', () => {
    const row = normalRow(1, 0.1);
    const sum = done(sumForecasts([{ ...forecastOf([row]), correlationMs: 2_000 }, { ...forecastOf([row]), drift: true, correlationMs: 9_000 }], { resource: 'cpu.demand_cores' }));
    expect(sum.drift).toBe(true);
    expect(sum.correlationMs).toBe(9_000);
    const unknown = done(sumForecasts([{ ...forecastOf([row]), correlationMs: 2_000 }, forecastOf([row])], { resource: 'cpu.demand_cores' }));
    expect(unknown.drift).toBe(false);
    expect(unknown.correlationMs).toBeUndefined();
  });
});
