import { Xoshiro128 } from '@godwit/kernel';
import { drawStretches, drawWindows, splitByEntity, windowAt, type GridSeries } from './index.js';

const SIZE = { mostHistorySteps: 20, leastHistorySteps: 10, horizonSteps: 5 };
const series = (entity: string, values: ArrayLike<number>, column = 'cpu'): GridSeries => ({ entity, column, startMs: 0, stepMs: 1_000, values: Float64Array.from(values) });
const wave = (steps: number): Float64Array => Float64Array.from({ length: steps }, (_, t) => t % 7);

describe('windows', () => {
  it('part a series at their origin, and end where the series does', () => {
    const one = series('a', wave(40));
    expect(windowAt(one, 35, SIZE)).toMatchObject({ history: one.values.slice(15, 35), actual: one.values.slice(35) });
    expect(windowAt(one, 36, SIZE)).toBeUndefined();
    expect(windowAt(one, 9, SIZE)).toBeUndefined();
  });
  it('are the same for the same seed, differ for another, and none comes twice', () => {
    const all = [series('a', wave(60)), series('b', wave(90))];
    const drawn = (seed: number) => drawWindows(all, SIZE, 10, Xoshiro128.seeded(seed)).map(({ series: { entity }, originStep }) => `${entity} ${originStep}`);
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(2)).not.toEqual(drawn(1));
    expect(new Set(drawn(1)).size).toBe(10);
  });
  it('give each entity the same chance, however many columns or steps it has', () => {
    const all = [series('small', wave(400)), ...Array.from({ length: 20 }, (_, i) => series('large', wave(2_000), `c${i}`))];
    const small = drawWindows(all, SIZE, 200, Xoshiro128.seeded(3)).filter(({ series: { entity } }) => entity === 'small').length;
    expect(small).toBeGreaterThan(70);
    expect(small).toBeLessThan(130);
  });
  it('leave out what is mostly missing, and what never moves', () => {
    const holes = wave(60).map((value, t) => (t % 5 < 4 ? NaN : value));
    expect(drawWindows([series('flat', new Float64Array(60).fill(3)), series('holes', holes)], SIZE, 5, Xoshiro128.seeded(1))).toEqual([]);
  });
  it('begin a history anew after a long gap', () => {
    const values = Float64Array.from([...wave(20), ...new Float64Array(40).fill(NaN), ...wave(25)]);
    expect(windowAt(series('a', values), 78, { ...SIZE, mostHistorySteps: 70 })?.history).toEqual(values.slice(60, 78));
  });
  it('find the samples of a series that is mostly pause', () => {
    const values = new Float64Array(20_000).fill(NaN);
    values.set(wave(60), 12_000);
    const [window] = drawWindows([series('a', values)], SIZE, 1, Xoshiro128.seeded(1));
    expect(window!.originStep).toBeGreaterThan(12_000);
    const [stretch] = drawStretches([series('a', values)], { steps: 30, leastSteps: 20 }, 1, Xoshiro128.seeded(1));
    expect(stretch!.startMs).toBeGreaterThanOrEqual(12_000_000 - 15_000);
  });
});

describe('stretches', () => {
  it('take one of each series before a second of any, and a short series once', () => {
    const all = [series('a', wave(100)), series('b', wave(100)), series('short', wave(25)), series('none', wave(9))];
    const drawn = drawStretches(all, { steps: 30, leastSteps: 20 }, 5, Xoshiro128.seeded(1));
    expect(drawn.slice(0, 3).map(({ entity }) => entity).sort()).toEqual(['a', 'b', 'short']);
    expect(drawn.slice(3).map(({ entity }) => entity).sort()).toEqual(['a', 'b']);
    expect(drawn.map(({ values }) => values.length).sort()).toEqual([25, 30, 30, 30, 30]);
  });
});

describe('a split', () => {
  it('shares no entity between the parts', () => {
    const all = Array.from({ length: 9 }, (_, i) => ['cpu', 'mem'].map((column) => series(`e${i}`, wave(9), column))).flat();
    const { train, test } = splitByEntity(all, 0.5, Xoshiro128.seeded(1));
    const entities = (part: readonly GridSeries[]) => new Set(part.map(({ entity }) => entity));
    expect([entities(train).size, entities(test).size, train.length + test.length]).toEqual([5, 4, 18]);
    expect([...entities(train)].filter((entity) => entities(test).has(entity))).toEqual([]);
  });
  it('leaves a single entity to the test', () => {
    expect(splitByEntity([series('a', wave(9))], 0.5, Xoshiro128.seeded(1))).toMatchObject({ train: [], test: [{ entity: 'a' }] });
  });
});
