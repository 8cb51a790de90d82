import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shareCores, type ThreadDemand } from './index.js';

const TOLERANCE = 1e-9;
const cores = fc.double({ min: 0, max: 64, noNaN: true });
const threads = fc.uniqueArray(fc.record({
  id: fc.stringMatching(/^[a-z]{1,4}$/), demandCores: cores, weight: fc.double({ min: 0.01, max: 10_000, noNaN: true }), maxCores: fc.double({ min: 0, max: 8, noNaN: true }),
}), { selector: (thread) => thread.id, maxLength: 12 });

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const wanted = (thread: ThreadDemand): number => Math.min(thread.demandCores, thread.maxCores);

function law(check: (shares: Map<string, number>, capacityCores: number, list: ThreadDemand[]) => void): void {
  fc.assert(fc.property(cores, threads, (capacityCores, list) => check(shareCores({ capacityCores, threads: list }), capacityCores, list)), { numRuns: 500 });
}

describe('shareCores', () => {
  it('never gives more than the capacity, nor a thread more than it can use', () => law((shares, capacityCores, list) => {
    expect(sum(shares.values())).toBeLessThanOrEqual(capacityCores + TOLERANCE);
    for (const thread of list) {
      expect(shares.get(thread.id)).toBeGreaterThanOrEqual(0);
      expect(shares.get(thread.id)).toBeLessThanOrEqual(thread.maxCores + TOLERANCE);
    }
  }));

  it('gives nobody more than it demands while another lacks', () => law((shares, _, list) => {
    const somebodyLacks = list.some((thread) => (shares.get(thread.id) ?? 0) < wanted(thread) - TOLERANCE);
    if (!somebodyLacks) return;
    for (const thread of list) expect(shares.get(thread.id)).toBeLessThanOrEqual(wanted(thread) + TOLERANCE);
  }));

  it('leaves nothing unused that somebody could use', () => law((shares, capacityCores, list) => {
    expect(sum(shares.values())).toBeCloseTo(Math.min(capacityCores, sum(list.map((thread) => thread.maxCores))), 8);
  }));

  it('lets whoever is short have at least as much per weight as the others', () => law((shares, _, list) => {
    for (const short of list) {
      const own = shares.get(short.id) ?? 0;
      if (own >= wanted(short) - TOLERANCE) continue;
      for (const other of list) expect(own / short.weight).toBeGreaterThanOrEqual((shares.get(other.id) ?? 0) / other.weight - TOLERANCE);
    }
  }));

  it('does not depend on the order of the threads', () => law((shares, capacityCores, list) => {
    const reversed = shareCores({ capacityCores, threads: list.toReversed() });
    for (const [id, share] of shares) expect(reversed.get(id)).toBeCloseTo(share, 8);
  }));

  it('divides a shortage by weight and hands on what a small demand leaves', () => {
    const shares = shareCores({ capacityCores: 1, threads: [
      { id: 'small', demandCores: 0.1, weight: 1, maxCores: 1 }, { id: 'one', demandCores: 1, weight: 1, maxCores: 1 }, { id: 'two', demandCores: 1, weight: 2, maxCores: 1 },
    ] });
    expect(shares.get('small')).toBeCloseTo(0.1);
    expect(shares.get('one')).toBeCloseTo(0.3);
    expect(shares.get('two')).toBeCloseTo(0.6);
  });

  it('takes numbers that are none as nothing', () => {
    const shares = shareCores({ capacityCores: 1, threads: [
      { id: 'bad', demandCores: Number.NaN, weight: 1, maxCores: -3 }, { id: 'good', demandCores: 0.5, weight: 1, maxCores: 1 },
    ] });
    expect([...shares]).toEqual([['bad', 0], ['good', 1]]);
  });
});
