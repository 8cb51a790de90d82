import fc from 'fast-check';
import type { Sha256 } from '@godwit/kernel';
import { purgeMarks, type PurgeFacts } from './purge-marks.js';

const seq = fc.integer({ min: 0, max: 1_000 });
/** Newest first, as the journal gives them. */
const anyCheckpoints = fc.array(seq, { maxLength: 4 }).map((seqs) => seqs.sort((a, b) => b - a).map((cursorSeq, i, all) => ({ k: all.length - i, cursorSeq, outN: cursorSeq })));
const anyFacts: fc.Arbitrary<PurgeFacts> = fc.record({ own: anyCheckpoints, subscribers: fc.array(anyCheckpoints, { maxLength: 3 }), gatewaySeq: seq, horizonSeq: seq });

describe('purgeMarks', () => {
  it('is the smallest of the four', () => {
    const facts: PurgeFacts = { own: [{ k: 9, cursorSeq: 900, outN: 9 }, { k: 8, cursorSeq: 800, outN: 8 }], subscribers: [[{ k: 2, cursorSeq: 700 }, { k: 1, cursorSeq: 600 }]], gatewaySeq: 750, horizonSeq: 720 };
    expect(purgeMarks(facts)).toEqual({ inputsBelowSeq: 720, outputsBelowSeq: 600, checkpointsBelow: 8 });
    expect(purgeMarks({ ...facts, horizonSeq: 990, gatewaySeq: 980 })).toEqual({ inputsBelowSeq: 800, outputsBelowSeq: 600, checkpointsBelow: 8 });
    expect(purgeMarks({ ...facts, subscribers: [] })).toMatchObject({ outputsBelowSeq: 720 });
  });
  it('counts checkpoints on one base as one: they are lost together', () => {
    const part = (k: number) => ({ k, bytes: 1, chunks: 1, digest: 'a'.repeat(64) as Sha256 });
    const chained = (k: number, base: number) => ({ k, cursorSeq: k * 100, outN: k, parts: Array.from({ length: k - base + 1 }, (_, i) => part(base + i)) });
    const open = { subscribers: [], gatewaySeq: 1e6, horizonSeq: 1e6 };
    expect(purgeMarks({ ...open, own: [chained(9, 7), chained(8, 7), chained(7, 7)] })).toEqual({ inputsBelowSeq: 0, outputsBelowSeq: 0, checkpointsBelow: 0 });
    expect(purgeMarks({ ...open, own: [chained(9, 7), chained(8, 7), chained(7, 7), chained(6, 2), chained(5, 2)] })).toEqual({ inputsBelowSeq: 600, outputsBelowSeq: 600, checkpointsBelow: 6 });
    expect(purgeMarks({ ...open, own: [chained(9, 9), chained(8, 8)], subscribers: [[chained(4, 2), chained(3, 2)]] })).toMatchObject({ inputsBelowSeq: 800, outputsBelowSeq: 0 });
  });
  it('lets nothing go before a second checkpoint, and no output before every subscriber has one', () => {
    fc.assert(fc.property(anyFacts, (facts) => {
      const marks = purgeMarks(facts);
      if (facts.own.length < 2) expect(marks).toEqual({ inputsBelowSeq: 0, outputsBelowSeq: 0, checkpointsBelow: 0 });
      if (facts.subscribers.some((s) => s.length < 2)) expect(marks.outputsBelowSeq).toBe(0);
    }));
  });
  it('leaves the two newest checkpoints, and all that they and the subscribers still need', () => {
    fc.assert(fc.property(anyFacts, (facts) => {
      const marks = purgeMarks(facts);
      for (const ck of facts.own.slice(0, 2)) {
        if (facts.own.length >= 2) expect(ck.k).toBeGreaterThanOrEqual(marks.checkpointsBelow);
        // A restore reads again from the cursor's own record, which may have been handed over in part only.
        expect(marks.inputsBelowSeq).toBeLessThanOrEqual(ck.cursorSeq);
      }
      for (const ck of facts.subscribers.flatMap((s) => s.slice(0, 2))) expect(marks.outputsBelowSeq).toBeLessThanOrEqual(ck.cursorSeq);
      for (const mark of [marks.inputsBelowSeq, marks.outputsBelowSeq]) {
        expect(mark).toBeLessThanOrEqual(facts.gatewaySeq);
        expect(mark).toBeLessThanOrEqual(facts.horizonSeq);
        expect(mark).toBeGreaterThanOrEqual(0);
      }
    }));
  });
  it('never falls when the facts move on', () => {
    fc.assert(fc.property(anyFacts, fc.nat(50), fc.nat(50), fc.nat(50), (facts, gateway, horizon, cursor) => {
      const newest = facts.own[0];
      const later: PurgeFacts = {
        own: newest === undefined ? facts.own : [{ k: newest.k + 1, cursorSeq: newest.cursorSeq + cursor, outN: newest.outN }, ...facts.own],
        subscribers: facts.subscribers.map((s) => (s[0] === undefined ? s : [{ k: s[0].k + 1, cursorSeq: s[0].cursorSeq + cursor }, ...s])), gatewaySeq: facts.gatewaySeq + gateway, horizonSeq: facts.horizonSeq + horizon,
      };
      const [before, after] = [purgeMarks(facts), purgeMarks(later)];
      expect(after.inputsBelowSeq).toBeGreaterThanOrEqual(before.inputsBelowSeq);
      expect(after.outputsBelowSeq).toBeGreaterThanOrEqual(before.outputsBelowSeq);
      expect(after.checkpointsBelow).toBeGreaterThanOrEqual(before.checkpointsBelow);
    }));
  });
});
