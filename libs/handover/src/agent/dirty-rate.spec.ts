import { DirtyRate } from './dirty-rate.js';

describe('the dirty rate', () => {
  it('is not known before two checkpoints', () => {
    const rate = new DirtyRate();
    rate.seen(undefined, 0);
    expect(rate.bytesPerSecond).toBeUndefined();
  });
  it('is what changed between two checkpoints, by time', () => {
    const rate = new DirtyRate();
    rate.seen(undefined, 1_000);
    rate.seen(2 * 4096, 3_000);
    expect(rate.bytesPerSecond).toBe(4096);
    rate.seen(0, 4_000);
    expect(rate.bytesPerSecond).toBe(0);
  });
  it('begins anew behind a base that says nothing of a change', () => {
    const rate = new DirtyRate();
    rate.seen(undefined, 0);
    rate.seen(4096, 1_000);
    rate.seen(undefined, 9_000);
    rate.seen(8192, 10_000);
    expect(rate.bytesPerSecond).toBe(8192);
  });
});
