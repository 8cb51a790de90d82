import { OperationError, threadId } from '@godwit/kernel';
import type { Registry } from '@godwit/registry';
import { createLog } from '@godwit/shell';
import { memoryJournal } from '@godwit/testing';
import { CheckpointVerifier, VERIFIED_FOR_MS } from './checkpoint-verifier.js';
import { Purger, PURGER_LIMITS, type PurgerLimits } from './purger.js';
import { HandClock, MemoryStore, registryOf, SHARD, ThreadRig } from './rig.fixture.js';

const [a, b] = [threadId('a'), threadId('b')];

async function rig(registry: Registry = registryOf({ a: [] }), limits: Partial<PurgerLimits> = {}) {
  const clock = new HandClock();
  const journal = memoryJournal(clock);
  await journal.ensureShard(SHARD);
  const store = new MemoryStore();
  const log = createLog('spec', 'silent');
  const alarms: object[] = [];
  log.error = ((fields: object) => void alarms.push(fields)) as never;
  const verifier = new CheckpointVerifier({ journal, store, clock, log });
  const facts: { releasedSeq: number | undefined; horizonSeq: number | Error } = { releasedSeq: 0, horizonSeq: 0 };
  const purger = new Purger({
    registry: () => registry, journal, store, verifier, log, releasedSeq: () => facts.releasedSeq,
    horizonSeq: async () => { if (facts.horizonSeq instanceof Error) throw facts.horizonSeq; return facts.horizonSeq; },
  }, { ...PURGER_LIMITS, ...limits });
  /** The gateway has released everything, and everything is older than the horizon. */
  const allOld = async (): Promise<void> => { facts.releasedSeq = facts.horizonSeq = await journal.lastSeq(SHARD); };
  return { clock, journal, store, verifier, purger, facts, alarms, allOld, thread: (id = a) => new ThreadRig(journal, store, id) };
}

/** Ten inputs and outputs, then a checkpoint, three times. */
async function thrice(thread: ThreadRig): Promise<void> {
  await thread.own();
  for (let i = 0; i < 3; i++) {
    await thread.work(10);
    await thread.checkpoint();
  }
}

describe('purging', () => {
  it('removes what is below the second newest verified checkpoint, and older checkpoints with their chunks', async () => {
    const { purger, thread, allOld, store } = await rig();
    const t = thread();
    await thrice(t);
    await allOld();
    await purger.round();
    // The input at the checkpoint's own cursor stays: it may go only when it lies below.
    expect(await t.left()).toEqual({ inputs: 11, outputs: 11, checkpoints: [3, 2] });
    expect([...store.held.get('a')!]).toEqual([2, 3]);
    expect(purger).toMatchObject({ purgedRecords: 19 + 19 + 1, removedCheckpoints: 1 });
  });

  it('removes nothing with fewer than two verified checkpoints', async () => {
    const { purger, thread, allOld, store, alarms } = await rig();
    const t = thread();
    await thrice(t);
    for (const k of [2, 3]) store.damaged.add(`a ${k}`);
    await allOld();
    await purger.round();
    await purger.round();
    expect(await t.left()).toEqual({ inputs: 30, outputs: 30, checkpoints: [3, 2, 1] });
    expect([...store.held.get('a')!]).toEqual([1, 2, 3]);
    expect(alarms.map((fields) => (fields as { alarm: string; k: number }))).toMatchObject([{ alarm: 'checkpoint-damaged', k: 3 }, { alarm: 'checkpoint-damaged', k: 2 }]);
  });

  it('counts checkpoints on one base as one: while there is no other base, nothing goes', async () => {
    const { purger, thread, allOld, verifier } = await rig();
    const t = thread();
    await t.own();
    for (let i = 0; i < 4; i++) {
      await t.work(5);
      await t.checkpoint({ base: 1 });
    }
    await allOld();
    await purger.round();
    expect(await t.left()).toEqual({ inputs: 20, outputs: 20, checkpoints: [4, 3, 2, 1] });
    await t.work(5);
    await t.checkpoint({ base: 5 });
    await allOld();
    await purger.round();
    // The newest of the older base stays, and what it needs.
    expect(verifier.verified(a).map(({ k }) => k)).toEqual([5, 4]);
    expect(await t.left()).toMatchObject({ inputs: 6, checkpoints: [5, 4] });
  });

  it('a lost part takes every checkpoint that rests upon it', async () => {
    const { purger, thread, allOld, store, verifier } = await rig();
    const t = thread();
    await t.own();
    for (const base of [1, 1, 1, 4, 4]) {
      await t.work(2);
      await t.checkpoint({ base });
    }
    store.damaged.add('a 2');
    await allOld();
    await purger.round();
    expect(verifier.verified(a).map(({ k }) => k)).toEqual([5, 1]);
    expect((await t.left()).checkpoints).toEqual([5, 4, 3, 2, 1]);
  });

  it('counts past a damaged checkpoint, and never trusts it again', async () => {
    const { purger, thread, allOld, store, clock, verifier } = await rig();
    const t = thread();
    await thrice(t);
    store.damaged.add('a 3');
    await allOld();
    await purger.round();
    store.damaged.clear();
    clock.atMs += VERIFIED_FOR_MS;
    await purger.round();
    expect(verifier.verified(a).map(({ k }) => k)).toEqual([2, 1]);
    expect((await t.left()).checkpoints).toEqual([3, 2, 1]);
  });

  it.each([
    ['the gateway has not been heard of', { releasedSeq: undefined }],
    ['the gateway has released nothing', { releasedSeq: 0 }],
    ['the gateway claims more than there is', { releasedSeq: 1e9 }],
    ['all records are young', { horizonSeq: 0 }],
    ['the horizon is not known', { horizonSeq: new OperationError('timeout', 'silent', { effect: 'none' }) }],
  ])('keeps all records while %s', async (_what, unknown) => {
    const { purger, thread, allOld, facts } = await rig();
    const t = thread();
    await thrice(t);
    await allOld();
    Object.assign(facts, unknown);
    await purger.round();
    expect(await t.left()).toMatchObject({ inputs: 30, outputs: 30 });
  });

  it('keeps an output until every subscriber has passed it in two verified checkpoints', async () => {
    const { purger, thread, allOld } = await rig(registryOf({ a: [], b: [a] }));
    const [producer, subscriber] = [thread(a), thread(b)];
    await thrice(producer);
    await allOld();
    await purger.round();
    expect(await producer.left()).toMatchObject({ inputs: 11, outputs: 30 });

    await subscriber.own();
    await subscriber.checkpoint({ cursorSeq: producer.cursorSeq });
    await allOld();
    await purger.round();
    expect(await producer.left()).toMatchObject({ outputs: 30 });

    await subscriber.checkpoint({ cursorSeq: producer.cursorSeq });
    await allOld();
    // The subscriber's turn comes after the producer's: its checkpoints count in the next round.
    await purger.round();
    await purger.round();
    expect(await producer.left()).toMatchObject({ outputs: 11 });
  });

  it('keeps everything while a new owner may still be restoring from an older checkpoint', async () => {
    const { purger, thread, allOld } = await rig();
    const t = thread();
    await thrice(t);
    await t.own();
    await allOld();
    await purger.round();
    expect(await t.left()).toEqual({ inputs: 30, outputs: 30, checkpoints: [3, 2, 1] });
    await t.work(1);
    await t.checkpoint();
    await allOld();
    await purger.round();
    expect(await t.left()).toMatchObject({ inputs: 2, checkpoints: [4, 3] });
  });

  it('purges nothing more, and fails nothing, while Redis does not answer', async () => {
    const { purger, thread, allOld, store } = await rig();
    const t = thread();
    await thrice(t);
    await allOld();
    store.failing = new OperationError('connection-lost', 'Redis: gone', { effect: 'unknown' });
    await purger.round();
    expect(await t.left()).toMatchObject({ inputs: 30 });
    store.failing = undefined;
    await purger.round();
    expect(await t.left()).toMatchObject({ inputs: 11 });
  });

  it('verifies again when a verification is old, and not before', async () => {
    const { purger, thread, allOld, store, clock } = await rig();
    await thrice(thread());
    await allOld();
    await purger.round();
    await purger.round();
    expect(store.reads).toBe(2);
    clock.atMs += VERIFIED_FOR_MS;
    await purger.round();
    expect(store.reads).toBe(4);
  });

  it('reads a bounded number of bytes a round, and comes to every thread, however busy the first one is', async () => {
    const ids = ['t0', 't1', 't2', 't3', 't4'];
    const { purger, thread, verifier, store } = await rig(registryOf(Object.fromEntries(ids.map((id) => [id, []]))), { readBytesPerRound: 100 });
    const threads = ids.map((id) => thread(threadId(id)));
    for (const t of threads) {
      await t.own();
      for (const bytes of [90, 500]) await t.checkpoint({ bytes });
    }
    let rounds = 0;
    for (let before = 0; ids.some((id) => verifier.verified(threadId(id)).length < 2) && rounds < 30; rounds++, before = store.reads) {
      await threads[0]!.checkpoint({ bytes: 500 });
      await purger.round();
      expect(store.reads - before).toBeLessThanOrEqual(1);
    }
    expect(rounds).toBeLessThan(30);
  });

  it('takes threads in turns', async () => {
    const ids = ['t0', 't1', 't2', 't3', 't4'];
    const { purger, thread, verifier } = await rig(registryOf(Object.fromEntries(ids.map((id) => [id, []]))), { threadsPerRound: 2 });
    for (const id of ids) {
      const t = thread(threadId(id));
      await t.own();
      await t.checkpoint();
    }
    const verified: number[] = [];
    for (let round = 0; round < 3; round++) {
      await purger.round();
      verified.push(ids.filter((id) => verifier.verified(threadId(id)).length === 1).length);
    }
    expect(verified).toEqual([2, 4, 5]);
  });
});
