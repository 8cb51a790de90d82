import { crc32 } from 'node:zlib';
import { DirtyRate } from './dirty-rate.js';

const pages = (...marks: number[]): Uint8Array => Uint8Array.from({ length: marks.length * 4096 }, (_, i) => marks[Math.floor(i / 4096)]!);

describe('the dirty rate', () => {
  it('is not known before two snapshots', () => {
    const rate = new DirtyRate(crc32);
    rate.seen([pages(1, 2)], 0);
    expect(rate.bytesPerSecond).toBeUndefined();
  });
  it('counts the pages that differ, by time', () => {
    const rate = new DirtyRate(crc32);
    rate.seen([pages(1, 2, 3, 4), pages(9)], 1_000);
    rate.seen([pages(1, 7, 3, 8), pages(9)], 3_000);
    expect(rate.bytesPerSecond).toBe(4096);
    rate.seen([pages(1, 7, 3, 8), pages(9)], 4_000);
    expect(rate.bytesPerSecond).toBe(0);
  });
  it('counts pages that came or went', () => {
    const rate = new DirtyRate(crc32);
    rate.seen([pages(1)], 0);
    rate.seen([pages(1, 2, 3)], 1_000);
    expect(rate.bytesPerSecond).toBe(2 * 4096);
    rate.seen([pages(1)], 2_000);
    expect(rate.bytesPerSecond).toBe(2 * 4096);
  });
});
