import { LEVELS, MODELS, type ModelDefinition } from '@godwit/forecasting';
import { Xoshiro128 } from '@godwit/kernel';
import { COMBINATION, NAIVE, asModel, evaluateTrace, quantileOf, verdictOf, type Forecaster, type GridSeries, type Progress, type TraceOptions, type TraceTable } from './index.js';

const FEW = MODELS.filter(({ name }) => [...NAIVE, 'seasonal-naive'].includes(name));
const OPTIONS: TraceOptions = { horizonSteps: 12, warmUpSteps: 60, leastLeadSteps: 3, clockUs: () => 0, models: FEW };
const series = (entity: string, column: string, values: ArrayLike<number>): GridSeries => ({ entity, column, startMs: 0, stepMs: 1_000, values: Float64Array.from(values) });
const noisy = (seed: number, of: (t: number) => number, steps = 240): Float64Array => {
  const rng = Xoshiro128.seeded(seed);
  return Float64Array.from({ length: steps }, (_, t) => of(t) + rng.next());
};
const cycle = (t: number): number => 10 + (t % 6 === 0 ? 20 : 0);

function run(all: readonly GridSeries[], options: Partial<TraceOptions> = {}): { readonly tables: readonly TraceTable[]; readonly progress: readonly Progress[] } {
  const walk = evaluateTrace(all, { ...OPTIONS, ...options });
  const progress: Progress[] = [];
  for (;;) {
    const next = walk.next();
    if (next.done) return { tables: next.value, progress };
    progress.push(next.value);
  }
}
const rowOf = (table: TraceTable, name: string) => table.rows.find(({ model }) => model === name)!;

/** A walk is a tenth of a second of computing, and minutes beside twenty other processes. */
const WALK_TIMEOUT_MS = 120_000;

describe('the evaluation of a trace', () => {
  it('has a row for every model and the combination, a table per column and one over all, and says how far it is', () => {
    const { tables, progress } = run([series('a', 'cpu', noisy(1, cycle)), series('b', 'cpu', noisy(2, cycle)), series('a', 'mem', noisy(3, () => 5, 100))].map((one) => ({ ...one, values: one.values.slice(0, 90) })), { models: MODELS });
    expect(tables.map(({ column, series: count }) => [column, count])).toEqual([['cpu', 2], ['mem', 1], [undefined, 3]]);
    for (const { rows } of tables) expect(rows.map(({ model }) => model)).toEqual([...MODELS.map(({ name }) => name), COMBINATION]);
    expect(progress.map(({ done, of }) => `${done}/${of}`)).toEqual(['1/3', '2/3', '3/3']);
  }, WALK_TIMEOUT_MS);
  it('finds the cycle better predicted than by the naive rules, and says so', () => {
    const [table] = run([series('a', '', noisy(1, cycle)), series('b', '', noisy(2, cycle))]).tables;
    const verdict = verdictOf(table!);
    expect(verdict.kind).toBe('better');
    expect(verdict.maseRatio).toBeLessThan(0.7);
    expect(rowOf(table!, COMBINATION).mase! / rowOf(table!, table!.betterNaive!.mase).mase!).toBeCloseTo(verdict.maseRatio!, 12);
  }, WALK_TIMEOUT_MS);
  it('has nothing to judge by where nothing moves or nothing is long enough', () => {
    for (const values of [new Float64Array(200).fill(4), noisy(1, cycle, 60)]) {
      const [table] = run([series('a', '', values)]).tables;
      expect(verdictOf(table!)).toMatchObject({ kind: 'unknown', maseRatio: null });
      expect(rowOf(table!, COMBINATION)).toMatchObject({ mase: null, coverage: null });
    }
  }, WALK_TIMEOUT_MS);
  it('counts overloads above the threshold that was given, and judges the current-value rule by them', () => {
    const ramps = noisy(4, (t) => 10 + (t % 60 > 50 ? 30 : 0), 400);
    const [above] = run([series('a', '', ramps)], { threshold: 35 }).tables;
    expect(above!.events).toBe(5);
    expect(above!.reactive.recall).toBe(0);
    expect(run([series('a', '', ramps)], { threshold: 100 }).tables[0]).toMatchObject({ events: 0, reactive: { recall: null } });
  }, WALK_TIMEOUT_MS);
  it('charges each model by the clock that it was given', () => {
    let us = 0;
    const [table] = run([series('a', '', noisy(1, cycle))], { clockUs: () => (us += 40) }).tables;
    expect(rowOf(table!, COMBINATION).costUs).toBe(40 / 20);
  }, WALK_TIMEOUT_MS);
  it('takes a forecaster from elsewhere, by itself and into the combination', () => {
    const given: number[] = [];
    const oracle: Forecaster = {
      name: 'oracle',
      forecastAll: (histories, steps) => histories.map((history) => {
        given.push(history.length);
        return Float64Array.from({ length: steps * LEVELS.length }, (_, i) => cycle(history.length + Math.floor(i / LEVELS.length)) + LEVELS[i % LEVELS.length]!);
      }),
    };
    const extra: readonly ModelDefinition[] = [asModel(oracle, 1_000)];
    const [table] = run([series('a', '', noisy(1, cycle))], { extra }).tables;
    expect(rowOf(table!, 'oracle').mase).toBeLessThan(0.1);
    expect(rowOf(table!, COMBINATION).mase).toBeLessThan(rowOf(run([series('a', '', noisy(1, cycle))]).tables[0]!, COMBINATION).mase!);
    expect(Math.max(...given)).toBeGreaterThan(200);
  }, WALK_TIMEOUT_MS);
  it('finds quantiles by order, without what is missing', () => {
    expect([quantileOf(Float64Array.of(3, NaN, 1, 2, 4), 0.5), quantileOf(Float64Array.of(NaN), 0.5)]).toEqual([3, NaN]);
  }, WALK_TIMEOUT_MS);
});

describe('a verdict', () => {
  const table = (naive: readonly [number, number], own: readonly [number, number]): TraceTable => {
    const row = (model: string, [mase, pinball]: readonly [number, number], isNaive: boolean) => ({ model, mase, pinball, coverage: null, recall: null, costUs: 0, naive: isNaive });
    return { column: '', series: 1, settled: 1, rows: [row('last-value', naive, true), row(COMBINATION, own, false)], betterNaive: { mase: 'last-value', pinball: 'last-value' }, events: 0, reactive: { recall: null, falseAlarmRatio: 0 } };
  };
  it.each([
    [[1, 1], [0.9, 0.9], 'better'], [[1, 1], [0.99, 1.01], 'abstains'], [[1, 1], [0.9, 0.99], 'abstains'], [[1, 1], [0.9, 1.1], 'worse'], [[1, 1], [1.03, 0.9], 'worse'], [[2, 4], [1, 1], 'better'],
  ] as const)('of %j against %j is %s', (naive, own, kind) => {
    expect(verdictOf(table(naive, own)).kind).toBe(kind);
  });
});
