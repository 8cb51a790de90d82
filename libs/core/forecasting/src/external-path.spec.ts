import { Xoshiro128 } from '@godwit/kernel';
import { LEVELS } from './levels.js';
import { Series } from './series.js';
import { normal } from './synthetic.js';

const T0 = 1_800_000_000_000;
const MEDIAN = LEVELS.indexOf(0.5);
/** What comes is known to whoever draws it: a walk that no model of the bank can foresee. */
const walk = (): number[] => {
  const rng = Xoshiro128.seeded(3);
  let value = 100;
  return Array.from({ length: 700 }, () => (value += normal(rng)));
};
const pathFrom = (values: readonly number[], at: number, rows: number): Float64Array =>
  Float64Array.from({ length: rows * LEVELS.length }, (_, cell) => (values[at + Math.floor(cell / LEVELS.length)] ?? 100) + 0.01 * ((cell % LEVELS.length) - MEDIAN));
const shareOf = (series: Series, atMs: number): number => series.forecast(atMs, 30_000)!.models.find(({ name }) => name === 'lstm')?.weight ?? 0;

describe('a forecast from elsewhere', () => {
  const clairvoyant = (everySteps: number): { series: Series; values: number[]; t: number } => {
    const values = walk();
    const series = new Series({ resource: 'cpu.demand_cores', unit: 'cores' });
    for (let t = 0; t < 400; t++) {
      series.observe(values[t]!, T0 + t * 1_000);
      if (t < 100 || t % everySteps !== 0) continue;
      series.forecast(T0 + (t + 1) * 1_000, 1_000);
      expect(series.acceptExternal({ model: 'lstm', issuedAtMs: series.historyEndMs, stepMs: 1_000, values: pathFrom(values, t + 1, 90) })).toBe(true);
    }
    return { series, values, t: 400 };
  };

  it('earns the weight that its losses deserve, and answers at the shifted lead between refreshes', () => {
    const { series, values, t } = clairvoyant(20);
    const forecast = series.forecast(T0 + t * 1_000, 30_000)!;
    expect(forecast.models[0]).toMatchObject({ name: 'lstm' });
    expect(forecast.models[0]!.weight).toBeGreaterThan(0.9);
    for (let k = 0; k < 30; k++) expect(Math.abs(forecast.values[k * LEVELS.length + MEDIAN]! - values[t + k]!)).toBeLessThan(0.5);
  });

  it('has no weight while it is stale, and the bank answers', () => {
    const { series, values } = clairvoyant(20);
    expect(shareOf(series, T0 + 400_000)).toBeGreaterThan(0.9);
    for (let t = 400; t < 500; t++) series.observe(values[t]!, T0 + t * 1_000);
    expect(shareOf(series, T0 + 500_000)).toBe(0);
    expect(series.forecast(T0 + 500_000, 30_000)!.models.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9);
  });

  it('has little weight when it is wrong', () => {
    const series = new Series({ resource: 'cpu.demand_cores', unit: 'cores' });
    for (let t = 0; t < 300; t++) {
      series.observe(5 + (t % 3), T0 + t * 1_000);
      if (t % 15 === 0 && t > 0) series.acceptExternal({ model: 'lstm', issuedAtMs: T0 + t * 1_000, stepMs: 1_000, values: new Float64Array(90 * 9).fill(40) });
    }
    expect(shareOf(series, T0 + 300_000)).toBeLessThan(0.01);
  });

  it('begins a new record under a new name', () => {
    const { series, values, t } = clairvoyant(20);
    series.acceptExternal({ model: 'other', issuedAtMs: series.historyEndMs, stepMs: 1_000, values: pathFrom(values, t, 90) });
    const other = series.forecast(T0 + t * 1_000, 30_000)!.models.find(({ name }) => name === 'other')!;
    expect(other.pinballLoss).toBeNull();
    expect(other.weight).toBeLessThan(0.3);
  });

  it('is refused when it is no forecast of this series', () => {
    const fresh = new Series({ resource: 'a', unit: 'b' });
    const path = { model: 'lstm', issuedAtMs: T0, stepMs: 1_000, values: new Float64Array(18).fill(1) };
    expect(fresh.acceptExternal(path)).toBe(false);
    for (let t = 0; t < 5; t++) fresh.observe(1, T0 + t * 1_000);
    fresh.forecast(T0 + 5_000, 1_000);
    expect(fresh.acceptExternal({ ...path, issuedAtMs: T0 + 5_000 })).toBe(true);
    for (const odd of [
      { issuedAtMs: NaN }, { stepMs: 0 }, { values: new Float64Array(0) }, { values: new Float64Array(10) }, { values: new Float64Array(18).fill(NaN) },
      { issuedAtMs: T0 - 60_000 }, { issuedAtMs: T0 + 60_000 },
    ]) expect(fresh.acceptExternal({ ...path, issuedAtMs: T0 + 5_000, ...odd })).toBe(false);
  });

  it('is fed by the history that a series tells: closed steps, oldest first, gaps as NaN, 256 at most', () => {
    const series = new Series({ resource: 'a', unit: 'b' });
    for (const t of [0, 1, 2, 5, 6]) series.observe(t, T0 + t * 1_000);
    const into = new Float64Array(10);
    expect(series.history(into)).toBe(6);
    expect([...into.subarray(0, 6)]).toEqual([0, 1, 2, NaN, NaN, 5]);
    expect(series.historyEndMs).toBe(T0 + 6_000);
    for (let t = 7; t < 600; t++) series.observe(t, T0 + t * 1_000);
    const long = new Float64Array(1_000);
    expect(series.history(long)).toBe(256);
    expect(long[255]).toBe(598);
    expect(series.history(into)).toBe(10);
    expect(into[9]).toBe(598);
  });
});
