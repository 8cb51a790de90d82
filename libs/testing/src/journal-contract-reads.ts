import { describe, expect, it } from '@jest/globals';
import type { JournalEntry, ThreadAddress } from '@godwit/journal';
import { checkpoint, input, numbers, outputs, own, upTo, type JournalFixture } from './journal-contract-fixture.js';

const brief = (entry: JournalEntry): string => `${entry.thread} ${entry.type} ${entry.type === 'in' ? entry.record.requestId : entry.record.n}`;

/** Reading by one cursor, tails, purging. */
export function readContract(fixture: JournalFixture): void {
  // long because it is a list of cases, each short
  /** A consumer's inputs between the outputs of two producers, one of which it does not subscribe to. */
  async function mixed() {
    const consumer = fixture.thread();
    const subscribed = await fixture.owned();
    const ignored = await fixture.owned();
    const expected: string[] = [];
    for (const n of upTo(30)) {
      await fixture.journal.appendInput(consumer, input(`r${n}`));
      await ignored.appender.appendOutputs(outputs({ from: n, to: n }));
      await subscribed.appender.appendOutputs(outputs({ from: n, to: n }));
      expected.push(`${consumer.thread} in r${n}`, `${subscribed.at.thread} out ${n}`);
    }
    return { consumer, subscribes: [subscribed.at.thread], subscribed, expected };
  }

  describe('reading', () => {
    it('gives inputs and subscribed outputs in the order of the stream, the same from every cursor', async () => {
      const { consumer, subscribes, expected } = await mixed();
      const all = await fixture.entries(consumer, { afterSeq: 0, subscribes, count: 60 });
      expect(all.map(brief)).toEqual(expected);
      expect(all.every((entry, i) => i === 0 || entry.seq > all[i - 1]!.seq)).toBe(true);
      for (const at of [0, 1, 17, 58]) {
        expect(await fixture.entries(consumer, { afterSeq: all[at]!.seq, subscribes, count: 59 - at })).toEqual(all.slice(at + 1));
      }
    });

    it('waits for what comes, tells what lies ahead, and ends when it is closed', async () => {
      const { consumer, subscribes, subscribed } = await mixed();
      const reader = await fixture.journal.read(consumer, { afterSeq: 0, subscribes, batch: 8 });
      expect(reader.pending()).toBe(60);
      const entries = reader[Symbol.asyncIterator]();
      for (let i = 0; i < 60; i++) await entries.next();
      expect(reader.pending()).toBe(0);
      const coming = entries.next();
      await subscribed.appender.appendOutputs(outputs({ from: 31, to: 31 }));
      expect((await coming).value).toMatchObject({ type: 'out', record: { n: 31 } });
      const never = entries.next();
      await reader.close();
      expect((await never).done).toBe(true);
    });

    it('reads on through a broken connection, without a gap and without a repetition', async () => {
      const { consumer, subscribes, subscribed, expected } = await mixed();
      const reader = await fixture.journal.read(consumer, { afterSeq: 0, subscribes, batch: 4 });
      const found: string[] = [];
      const lostBefore = fixture.faults?.answersLost() ?? 0;
      for await (const entry of reader) {
        found.push(brief(entry));
        if (found.length === 20) {
          fixture.faults?.loseNextAnswer();
          await fixture.journal.newestOwn(subscribed.at);
          if (fixture.faults) expect(fixture.faults.answersLost()).toBe(lostBefore + 1);
        }
        if (found.length === 60) break;
      }
      await reader.close();
      expect(found).toEqual(expected);
    });

    it('of outputs begins behind any number, ends at the end, or follows', async () => {
      const { at, appender } = await fixture.owned();
      await appender.appendOutputs(outputs({ from: 1, to: 50 }));
      expect(numbers(await fixture.outputsOf(at, 20))).toEqual(upTo(50).slice(20));
      expect(await fixture.outputsOf(at, 50)).toEqual([]);
      expect(await fixture.outputsOf(fixture.thread())).toEqual([]);
      const following = await fixture.journal.readOutputs(at, { afterN: 48, follow: true });
      const found: number[] = [];
      for await (const { record } of following) {
        found.push(record.n);
        if (record.n === 50) void appender.appendOutputs(outputs({ from: 51, to: 52 }));
        if (record.n === 52) break;
      }
      await following.close();
      expect(found).toEqual([49, 50, 51, 52]);
    });
  });

  describe('the tail', () => {
    it('of a new thread is empty', async () => {
      const at = fixture.thread();
      expect(await fixture.journal.tail(at)).toEqual({ outN: 0, chainHash: '0'.repeat(64), k: 0 });
      expect(await fixture.journal.checkpoints(at, 3)).toEqual([]);
      expect(await fixture.journal.newestIntent(at)).toBeUndefined();
    });

    it('holds the newest output and checkpoint; checkpoints come newest first', async () => {
      const { at, appender } = await fixture.owned();
      for (const k of upTo(12)) {
        await appender.appendOutputs(outputs({ from: k, to: k }));
        await appender.appendCheckpoint(checkpoint(k, { cursorSeq: k, outN: k }));
      }
      expect(await fixture.journal.tail(at)).toEqual({ outN: 12, chainHash: outputs({ from: 12, to: 12 })[0]!.hash, k: 12 });
      const newest = await fixture.journal.checkpoints(at, 3);
      expect(newest.map(({ record }) => record.k)).toEqual([12, 11, 10]);
      expect(newest[0]!.record).toEqual({ ...checkpoint(12, { cursorSeq: 12, outN: 12 }), epoch: 1 });
    });
  });

  describe('purging', () => {
    async function thread() {
      const { at, own: first, appender } = await fixture.owned();
      const seqs: number[] = [];
      for (const n of upTo(20)) {
        const taken = await fixture.journal.appendInput(at, input(`r${n}`));
        seqs.push((taken as { seq: number }).seq);
        await appender.appendOutputs(outputs({ from: n, to: n }));
        if (n % 5 === 0) await appender.appendCheckpoint(checkpoint(n / 5, { cursorSeq: seqs.at(-1)!, outN: n }));
      }
      return { at, first, seqs };
    }
    const inputsOf = async (at: ThreadAddress, count: number): Promise<string[]> => (await fixture.entries(at, { afterSeq: 0, count })).map(brief);

    it('removes what lies below the marks and nothing else', async () => {
      const { at, seqs } = await thread();
      const bystander = await thread();
      const { purged } = await fixture.journal.purge(at, { inputsBelowSeq: seqs[9]!, outputsBelowSeq: seqs[4]!, checkpointsBelow: 3 });
      expect(purged).toBe(9 + 4 + 2);
      expect(await inputsOf(at, 11)).toEqual(upTo(20).slice(9).map((n) => `${at.thread} in r${n}`));
      expect(numbers(await fixture.outputsOf(at, 4))).toEqual(upTo(20).slice(4));
      await expect(fixture.outputsOf(at, 2)).rejects.toMatchObject({ code: 'not-found' });
      expect((await fixture.journal.checkpoints(at, 9)).map(({ record }) => record.k)).toEqual([4, 3]);
      expect(await inputsOf(bystander.at, 20)).toHaveLength(20);
      expect(await fixture.journal.purge(at, { inputsBelowSeq: seqs[9]!, outputsBelowSeq: seqs[4]!, checkpointsBelow: 3 })).toEqual({ purged: 0 });
    });

    it('leaves the newest owner, output and checkpoint, whatever the marks', async () => {
      const { at, first } = await thread();
      const before = await fixture.journal.tail(at);
      const beyond = (await fixture.journal.lastSeq(at.shard)) + 1;
      expect(await fixture.journal.purge(at, { inputsBelowSeq: beyond, outputsBelowSeq: beyond, checkpointsBelow: 99 })).toEqual({ purged: 20 + 19 + 3 });
      expect(await fixture.journal.tail(at)).toEqual(before);
      expect(await fixture.journal.newestOwn(at)).toEqual(first);
      expect(await fixture.journal.appendOwn(at, 0, own(1, 'd9'))).toEqual({ result: 'lost', newest: first });
    });
  });
}
