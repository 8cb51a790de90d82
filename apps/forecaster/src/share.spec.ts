import { isInShare, parseShare } from './share.js';

describe('a share', () => {
  it.each([['0/1', { index: 0, of: 1 }], ['2/3', { index: 2, of: 3 }], ['3/3', undefined], ['1', undefined], ['-1/2', undefined], ['0/0', undefined], ['a/b', undefined]])('of %s', (text, share) => {
    expect(parseShare(text)).toEqual(share);
  });
  it('gives each id to exactly one instance, evenly', () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) counts.forEach((_, index) => { if (isInShare({ index, of: 4 }, `thread-${i}`)) counts[index]!++; });
    expect(counts.reduce((a, b) => a + b)).toBe(4_000);
    expect(Math.min(...counts)).toBeGreaterThan(800);
  });
});
