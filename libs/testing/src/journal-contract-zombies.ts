import { describe, expect, it } from '@jest/globals';
import type { AppendOutcome, FencedAppender } from '@godwit/journal';
import { checkpoint, input, intent, numbers, outputs, own, upTo, type JournalFixture } from './journal-contract-fixture.js';

const ROUNDS = 15;

/** Old owners that wake late, and appends whose answer was lost. */
export function zombieContract(fixture: JournalFixture): void {
  // long because it is a list of cases, each short
  describe('a device that lost ownership', () => {
    it('has every kind of append refused, and learns who owns the thread', async () => {
      const { at, own: first, appender } = await fixture.owned();
      await appender.appendOutputs(outputs({ from: 1, to: 2 }));
      const second = await fixture.grant(at, 2, first.seq, 'd2');
      const lastSeq = await fixture.journal.lastSeq(at.shard);
      const fenced = { result: 'fenced', newest: second };
      expect(await appender.appendOutputs(outputs({ from: 3, to: 3 }))).toEqual(fenced);
      expect(await appender.appendCheckpoint(checkpoint(1, { cursorSeq: 0, outN: 3 }))).toEqual(fenced);
      expect(await appender.appendIntent(intent('m1'))).toEqual(fenced);
      expect(await appender.appendTimer(input('tick').requestId)).toEqual(fenced);
      expect(appender.refusedAppends).toBe(4);
      expect(await fixture.journal.lastSeq(at.shard)).toBe(lastSeq);
    });

    it('is refused by the broker itself, at every one of many tries from fresh processes', async () => {
      const { at, own: first, fence } = await fixture.owned();
      await fixture.grant(at, 2, first.seq, 'd2');
      const lastSeq = await fixture.journal.lastSeq(at.shard);
      const journals = [fixture.journal, await fixture.another()];
      const outcomes: AppendOutcome[] = [];
      for (const i of upTo(100)) {
        // Each has never been refused before, so nothing but the fence stops it.
        const zombie = journals[i % 2]!.fencedAppender(at, fence);
        const kinds = [
          () => zombie.appendOutputs(outputs({ from: 1, to: 1 })), () => zombie.appendOutputs(outputs({ from: 1, to: 20 })),
          () => zombie.appendCheckpoint(checkpoint(1, { cursorSeq: 0, outN: 1 })), () => zombie.appendTimer(input(`tick-${i}`).requestId),
        ];
        outcomes.push(await kinds[i % 4]!());
        expect(zombie.refusedAppends).toBeGreaterThan(0);
      }
      expect(outcomes.map(({ result }) => result)).toEqual(Array(100).fill('fenced'));
      expect(await fixture.journal.lastSeq(at.shard)).toBe(lastSeq);
    });

    it('gets nothing in behind the new owner record while both race', async () => {
      const other = await fixture.another();
      for (let round = 1; round <= ROUNDS; round++) {
        const { at, own: first, appender } = await fixture.owned();
        const zombie = streamUntilFenced(appender);
        await zombie.reached(round);
        // The owner record and the zombie's appends cross.
        const second = await fixture.grant(at, 2, first.seq, 'd2', other);
        const { outN } = await other.tail(at);
        const successor = other.fencedAppender(at, { epoch: 2, ownSeq: second.seq });
        expect(await successor.appendOutputs(outputs({ from: outN + 1, to: outN + 5 }))).toMatchObject({ result: 'appended' });
        expect(await zombie.ended).toEqual({ result: 'fenced', newest: second });
        expect(appender.refusedAppends).toBeGreaterThan(0);
        const found = await fixture.outputsOf(at);
        expect(numbers(found)).toEqual(upTo(outN + 5));
        expect(found.filter(({ seq, record }) => record.epoch !== (seq > second.seq ? 2 : 1))).toEqual([]);
      }
    }, 60_000);
  });

  describe('an append whose answer was lost', () => {
    // A journal in memory has no answers to lose; there these have nothing to check.
    const each = (name: string, body: (faults: NonNullable<JournalFixture['faults']>) => Promise<void>): void => {
      it(name, async () => {
        if (!fixture.faults) return;
        const before = fixture.faults.answersLost();
        await body(fixture.faults);
        expect(fixture.faults.answersLost()).toBeGreaterThan(before);
      });
    };

    each('of outputs is resolved: each is there once, and the next ones follow', async (faults) => {
      for (const count of [1, 40, 40, 1]) {
        const { at, appender } = await fixture.owned();
        faults.loseNextAnswer();
        const first = appender.appendOutputs(outputs({ from: 1, to: count }));
        const behind = appender.appendOutputs(outputs({ from: count + 1, to: count + 10 }));
        expect(['appended', 'repeated']).toContain((await first).result);
        expect(['appended', 'repeated']).toContain((await behind).result);
        expect(numbers(await fixture.outputsOf(at))).toEqual(upTo(count + 10));
      }
    });

    each('of an owner record is recognised as one’s own', async (faults) => {
      const at = fixture.thread();
      let seq = 0;
      for (const epoch of upTo(4)) {
        faults.loseNextAnswer();
        const outcome = await fixture.journal.appendOwn(at, seq, own(epoch, 'd1'));
        expect(outcome).toMatchObject({ result: 'appended', own: { record: { epoch } } });
        seq = (await fixture.journal.newestOwn(at))!.seq;
      }
    });

    each('of an input ends as that input, once', async (faults) => {
      const at = fixture.thread();
      faults.loseNextAnswer();
      const outcome = await fixture.journal.appendInput(at, input('r1'));
      expect(outcome).toMatchObject({ seq: expect.any(Number) });
      await fixture.journal.appendInput(at, input('r2'));
      expect(await fixture.entries(at, { afterSeq: 0, count: 2 })).toMatchObject([{ record: { requestId: 'r1' } }, { record: { requestId: 'r2' } }]);
    });

    each('by a device that lost ownership meanwhile ends as fenced', async (faults) => {
      const other = await fixture.another();
      const { at, own: first, appender } = await fixture.owned();
      const second = await fixture.grant(at, 2, first.seq, 'd2', other);
      faults.loseNextAnswer();
      expect(await appender.appendOutputs(outputs({ from: 1, to: 3 }))).toEqual({ result: 'fenced', newest: second });
      expect(await fixture.outputsOf(at)).toEqual([]);
    });
  });
}

/** Appends output after output, as a thread does that does not know. */
function streamUntilFenced(appender: FencedAppender) {
  const all = outputs({ from: 1, to: 3_000 });
  const waiting = new Map<number, () => void>();
  let done = 0;
  const ended = (async (): Promise<AppendOutcome | undefined> => {
    for (const output of all) {
      const outcome = await appender.appendOutputs([output]);
      if (outcome.result !== 'appended') return outcome;
      done = output.n;
      waiting.get(done)?.();
    }
    return undefined;
  })();
  return { ended, reached: (n: number) => new Promise<void>((resolve) => { if (done >= n) resolve(); else waiting.set(n, resolve); }) };
}
