import { describe, expect, it } from '@jest/globals';
import { isRefusal, type Refusal } from '@godwit/kernel';
import { checkpoint, input, intent, numbers, outputs, own, upTo, type JournalFixture } from './journal-contract-fixture.js';

/** Owner records, outputs, checkpoints, inputs: create-only, in order, recognised when repeated. */
export function appendContract(fixture: JournalFixture): void {
  // long because it is a list of cases, each short
  describe('owner records', () => {
    it('are appended by whoever saw the newest, and by nobody else', async () => {
      const at = fixture.thread();
      expect(await fixture.journal.newestOwn(at)).toBeUndefined();
      const first = await fixture.grant(at, 1, 0, 'd1');
      expect(await fixture.journal.newestOwn(at)).toEqual(first);
      expect(first.record).toEqual(own(1, 'd1'));
      expect(await fixture.journal.appendOwn(at, 0, own(1, 'd2'))).toEqual({ result: 'lost', newest: first });
      expect(await fixture.journal.appendOwn(at, 0, own(2, 'd2'))).toEqual({ result: 'lost', newest: first });
      expect(await fixture.journal.appendOwn(at, first.seq, own(1, 'd2'))).toEqual({ result: 'lost', newest: first });
      const second = await fixture.grant(at, 2, first.seq, 'd2');
      expect(second.seq).toBeGreaterThan(first.seq);
      expect(await fixture.journal.newestOwn(at)).toEqual(second);
      expect(await fixture.journal.ownOf(at, 1)).toEqual(first);
      expect(await fixture.journal.ownOf(at, 3)).toBeUndefined();
    });

    it('have exactly one winner per epoch, however many controllers append at once, even equal records', async () => {
      const at = fixture.thread();
      const journals = [fixture.journal, await fixture.another(), await fixture.another()];
      let seq = 0;
      for (let epoch = 1; epoch <= 12; epoch++) {
        const tries = await Promise.all(upTo(9).map((i) => journals[i % 3]!.appendOwn(at, seq, own(epoch, 'd1'))));
        const won = tries.flatMap((outcome) => (outcome.result === 'appended' ? [outcome.own] : []));
        expect(won).toHaveLength(1);
        for (const outcome of tries) if (outcome.result === 'lost') expect(outcome.newest).toEqual(won[0]);
        seq = won[0]!.seq;
      }
    });
  });

  describe('outputs', () => {
    it('are recognised when they repeat, by number and hash', async () => {
      const { at, fence, appender } = await fixture.owned();
      const first = await appender.appendOutputs(outputs({ from: 1, to: 3 }));
      expect(first.result).toBe('appended');
      const again = fixture.journal.fencedAppender(at, fence);
      expect(await again.appendOutputs(outputs({ from: 1, to: 3 }))).toEqual({ ...first, result: 'repeated' });
      expect(numbers(await fixture.outputsOf(at))).toEqual([1, 2, 3]);
    });

    it('that a restored thread repeats go over into new ones in one call', async () => {
      const { at, fence, appender } = await fixture.owned();
      await appender.appendOutputs(outputs({ from: 1, to: 30 }));
      const restored = fixture.journal.fencedAppender(at, fence);
      expect(await restored.appendOutputs(outputs({ from: 11, to: 90 }))).toMatchObject({ result: 'appended' });
      const found = await fixture.outputsOf(at);
      expect(numbers(found)).toEqual(upTo(90));
      expect(found.map(({ record }) => record.hash)).toEqual(outputs({ from: 1, to: 90 }).map(({ hash }) => hash));
    });

    it('that differ from the ones in the journal stop the appender', async () => {
      const { at, fence, appender } = await fixture.owned();
      await appender.appendOutputs(outputs({ from: 1, to: 5 }));
      const diverging = fixture.journal.fencedAppender(at, fence);
      const [first, behind] = await Promise.all([
        diverging.appendOutputs(outputs({ from: 4, to: 8 }, 'other')), diverging.appendOutputs(outputs({ from: 9, to: 9 }, 'other')),
      ]);
      expect(first).toMatchObject({ result: 'diverged', refusal: { code: 'output-diverged' } });
      expect(behind).toEqual(first);
      expect(await diverging.appendOutputs(outputs({ from: 10, to: 10 }, 'other'))).toEqual(first);
      expect(numbers(await fixture.outputsOf(at))).toEqual(upTo(5));
    });

    it('queued by the thousand arrive in order, in batches, and the queue empties', async () => {
      const { at, appender } = await fixture.owned();
      const all = outputs({ from: 1, to: 2_500 });
      const whole = appender.appendOutputs(all.slice(0, 2_300));
      const singly = all.slice(2_300).map((output) => appender.appendOutputs([output]));
      expect(await whole).toMatchObject({ result: 'appended' });
      const seqs = (await Promise.all(singly)).map((outcome) => (outcome.result === 'appended' ? outcome.seq : -1));
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
      expect(appender.backlog).toBe(0);
      const found = await fixture.outputsOf(at);
      expect(numbers(found)).toEqual(upTo(2_500));
      expect(found.slice(2_300).map(({ seq }) => seq)).toEqual(seqs);
      expect(await fixture.journal.tail(at)).toEqual({ outN: 2_500, chainHash: all.at(-1)!.hash, k: 0 });
    });

    it('of many threads at once do not disturb each other', async () => {
      const threads = await Promise.all(upTo(12).map(() => fixture.owned()));
      await Promise.all(threads.flatMap(({ appender }) => outputs({ from: 1, to: 40 }).map((output) => appender.appendOutputs([output]))));
      for (const { at } of threads) expect(numbers(await fixture.outputsOf(at))).toEqual(upTo(40));
    });

    it('with a gap in their numbers are a mistake of the caller', async () => {
      const { appender } = await fixture.owned();
      await appender.appendOutputs(outputs({ from: 1, to: 2 }));
      await expect(async () => appender.appendOutputs(outputs({ from: 4, to: 4 }))).rejects.toThrow('output 4 where 3 was due');
    });

    it('are refused by a closed appender', async () => {
      const { at, appender } = await fixture.owned();
      appender.close();
      await expect(appender.appendOutputs(outputs({ from: 1, to: 1 }))).rejects.toMatchObject({ code: 'append-refused' });
      expect(await fixture.outputsOf(at)).toEqual([]);
    });
  });

  describe('checkpoints, intents and timers', () => {
    it('mix with outputs in one queue', async () => {
      const { at, appender } = await fixture.owned();
      const outcomes = await Promise.all([
        appender.appendOutputs(outputs({ from: 1, to: 4 })), appender.appendCheckpoint(checkpoint(1, { cursorSeq: 1, outN: 4 })),
        appender.appendIntent(intent('m1')), appender.appendTimer(input('tick-1').requestId), appender.appendOutputs(outputs({ from: 5, to: 6 })),
      ]);
      expect(outcomes.map(({ result }) => result)).toEqual(Array(5).fill('appended'));
      expect(await fixture.journal.tail(at)).toMatchObject({ outN: 6, k: 1 });
      expect((await fixture.journal.newestIntent(at))?.record).toEqual({ ...intent('m1'), epoch: 1 });
      expect((await fixture.journal.checkpoints(at, 5)).map(({ record }) => record)).toEqual([{ ...checkpoint(1, { cursorSeq: 1, outN: 4 }), epoch: 1 }]);
      expect(await fixture.entries(at, { afterSeq: 0, count: 1 })).toMatchObject([{ type: 'in', record: { requestId: 'tick-1', kind: 'timer', messages: [] } }]);
    });

    it('are recognised when they repeat, and refused when they differ', async () => {
      const { appender } = await fixture.owned();
      await appender.appendCheckpoint(checkpoint(1, { cursorSeq: 5, outN: 0 }));
      expect(await appender.appendCheckpoint(checkpoint(1, { cursorSeq: 5, outN: 0 }))).toMatchObject({ result: 'repeated' });
      expect(await appender.appendCheckpoint({ ...checkpoint(1, { cursorSeq: 5, outN: 0 }), digest: checkpoint(2, { cursorSeq: 0, outN: 0 }).digest }))
        .toMatchObject({ result: 'diverged', refusal: { code: 'conflict', field: 'digest' } });
      await appender.appendIntent(intent('m1'));
      expect(await appender.appendIntent(intent('m1'))).toMatchObject({ result: 'repeated' });
      expect(await appender.appendIntent(intent('m2'))).toMatchObject({ result: 'diverged', refusal: { code: 'conflict' } });
      expect(await appender.appendOutputs(outputs({ from: 1, to: 1 }))).toMatchObject({ result: 'appended' });
    });
  });

  describe('inputs', () => {
    it('are taken once per request id, and refused when the content differs', async () => {
      const at = fixture.thread();
      const first = await fixture.journal.appendInput(at, input('r1'));
      expect(first).toMatchObject({ duplicate: false });
      expect(await fixture.journal.appendInput(at, input('r1'))).toEqual({ seq: (first as { seq: number }).seq, duplicate: true });
      expect(await fixture.journal.appendInput(at, input('r1', 'other'))).toMatchObject({ refused: true, code: 'conflict', field: 'requestId' });
      expect(await fixture.entries(at, { afterSeq: 0, count: 1 })).toMatchObject([{ record: input('r1') }]);
    });

    it('that several gateways append at once are taken once', async () => {
      const at = fixture.thread();
      const journals = [fixture.journal, await fixture.another()];
      const tries = await Promise.all(upTo(20).map((i) => journals[i % 2]!.appendInput(at, input(`r${i % 4}`))));
      const taken = tries.filter((outcome): outcome is Exclude<typeof outcome, Refusal> => !isRefusal(outcome));
      expect(taken).toHaveLength(20);
      expect(taken.filter(({ duplicate }) => !duplicate)).toHaveLength(4);
      expect(new Set(taken.map(({ seq }) => seq)).size).toBe(4);
    });
  });
}
