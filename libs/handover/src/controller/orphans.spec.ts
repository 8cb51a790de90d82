import type { DeviceId } from '@godwit/kernel';
import { Orphans } from './orphans.js';

const [a, b] = ['a', 'b'] as [DeviceId, DeviceId];

describe('owners without a lease', () => {
  it('are due after a while, and again later, as long as they are', () => {
    const orphans = new Orphans();
    expect(orphans.due(new Set([a]), 0)).toEqual([]);
    expect(orphans.due(new Set([a, b]), 9_999)).toEqual([]);
    expect(orphans.due(new Set([a, b]), 10_000)).toEqual([a]);
    expect(orphans.due(new Set([a, b]), 20_000)).toEqual([b]);
    expect(orphans.due(new Set([a, b]), 39_999)).toEqual([]);
    expect(orphans.due(new Set([a, b]), 40_000)).toEqual([a]);
  });
  it('are forgotten when their lease is back', () => {
    const orphans = new Orphans();
    orphans.due(new Set([a]), 0);
    orphans.due(new Set(), 5_000);
    expect(orphans.due(new Set([a]), 10_000)).toEqual([]);
    expect(orphans.due(new Set([a]), 20_000)).toEqual([a]);
  });
});
