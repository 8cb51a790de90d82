import { describe, expect, it } from '@jest/globals';
import { findTools, readReport, search, type Tools } from './spin.ts';
import { SMALL_BASES, VARIANTS, type Build } from './variants.ts';

const tools = findTools();
const LIMIT_MS = 120_000;

describe('a report of the verifier', () => {
  it('is read: states, and the assertion that broke', () => {
    const report = 'pan:1: assertion violated !(bad[h]) (at depth 29)\nState-vector 56 byte, depth reached 109, errors: 1\n    11826 states, stored\n   109260 transitions (= stored+matched)\n    65.703\ttotal actual memory usage\n';
    expect(readReport(report)).toEqual({ states: 11_826, transitions: 109_260, memoryMb: 65.703, broken: '!(bad[h])' });
    expect(readReport(`error: max search depth too small\n${report.slice(50).replace('errors: 1', 'errors: 0')}`).cutShort).toBe('max search depth too small');
    expect(() => readReport('Segmentation fault')).toThrow('no report of a search');
  });
});

if (typeof tools === 'string') process.stdout.write(`skipped: models/handover.pml: ${tools}\n`);

(typeof tools === 'string' ? describe.skip : describe)('the model of the handover', () => {
  const searched = (build: Build) => search(tools as Tools, build, true);

  it.each(SMALL_BASES)('$name: holds in every state ($about)', async (build) => {
    const { broken, cutShort, states } = await searched(build);
    expect({ broken, cutShort }).toEqual({ broken: undefined, cutShort: undefined });
    expect(states).toBeGreaterThan(1_000);
  }, LIMIT_MS);

  it.each(VARIANTS)('$name breaks it: $about', async (build) => {
    const { broken } = await searched(build);
    expect(broken).toContain(build.breaks);
  }, LIMIT_MS);
});
