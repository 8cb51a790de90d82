import { meanMove, usualStepMs, onGrid, seriesName, type RecordedSeries } from './index.js';

const recorded = (timesMs: readonly number[], values: readonly number[]): RecordedSeries => ({ entity: 'a', column: 'cpu', timesMs: Float64Array.from(timesMs), values: Float64Array.from(values) });

describe('a recorded series on a grid', () => {
  it('takes the time between samples as its step, and leaves gaps as gaps', () => {
    expect(onGrid(recorded([0, 1_000, 2_000, 5_000, 6_000], [1, 2, 3, 4, 5]))).toEqual({ entity: 'a', column: 'cpu', startMs: 0, stepMs: 1_000, values: Float64Array.of(1, 2, 3, NaN, NaN, 4, 5) });
  });
  it('averages samples of one step, forgives jitter and knows missing samples', () => {
    expect(onGrid(recorded([10, 990, 2_030, 2_400, 3_100], [1, 2, 3, 5, NaN]), 1_000)).toMatchObject({ values: Float64Array.of(1, 2, 4, NaN) });
  });
  it.each([
    ['one time only', [5, 5], undefined, 'fewer than two different times'], ['a step of nothing', [0, 1], 0, 'above 0 expected'], ['too many steps', [0, 1e12], 1, 'at most'],
    ['times without any rhythm', [0, 1, 2, 900, 40_000, 40_001, 200_000], 1, 'too irregular'],
  ])('is refused for %s', (_what, times, stepMs, reason) => {
    expect(onGrid(recorded(times, times.map(() => 1)), stepMs)).toMatchObject({ refused: true, reason: expect.stringContaining(reason) });
  });
  it('keeps regular samples with long pauses', () => {
    const times = [...Array.from({ length: 50 }, (_, i) => i * 1_000), ...Array.from({ length: 50 }, (_, i) => 9_000_000 + i * 1_000)];
    const grid = onGrid(recorded(times, times.map(() => 1)));
    expect('values' in grid && [grid.values.length, grid.values.filter((value) => value === 1).length]).toEqual([9_050, 100]);
  });
  it('has the mean of its moves, between neighbours only', () => {
    expect(meanMove([1, 2, NaN, 5, 2])).toBe(2);
    expect(meanMove([1])).toBe(0);
    expect(usualStepMs({ timesMs: Float64Array.from([...Array.from({ length: 20 }, (_, i) => i), 90]) })).toBe(1);
    expect(usualStepMs({ timesMs: Float64Array.of(0, 1, 2, 4, 6, 8, 9, 10, 12, 14, 99) })).toBeCloseTo(14 / 9, 12);
    expect(usualStepMs({ timesMs: Float64Array.of(4) })).toBeUndefined();
  });
  it('is called by what tells it apart', () => {
    expect([seriesName({ entity: 'a', column: 'cpu' }), seriesName({ entity: '', column: 'cpu' })]).toEqual(['a cpu', 'cpu']);
  });
});
