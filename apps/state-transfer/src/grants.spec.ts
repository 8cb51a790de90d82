import { threadId } from '@godwit/kernel';
import { memoryJournal } from '@godwit/testing';
import { grant } from './grants.js';
import { d1, d2, HandClock, MemoryStore, registryOf, SHARD, ThreadRig } from './rig.fixture.js';

const a = threadId('a');
async function rig() {
  const journal = memoryJournal(new HandClock());
  await journal.ensureShard(SHARD);
  const store = new MemoryStore();
  return { store, thread: new ThreadRig(journal, store, a), ask: (device = d1, epoch = 1, thread = a) => grant({ registry: () => registryOf({ a: [] }), journal, store }, { thread, device, epoch }) };
}

describe('the right to write checkpoints', () => {
  it('goes to the newest owner, as often as it asks', async () => {
    const { thread, ask, store } = await rig();
    await thread.own(d1);
    expect(await ask()).toEqual({ granted: true, reason: '' });
    expect(await ask()).toEqual({ granted: true, reason: '' });
    expect(store.epochs.get('a')).toBe(1);
  });
  it('is denied, with the reason, to everybody else', async () => {
    const { thread, ask, store } = await rig();
    expect(await ask()).toEqual({ granted: false, reason: 'thread a has no owner yet' });
    await thread.own(d1);
    expect(await ask(d2)).toEqual({ granted: false, reason: 'epoch 1 of thread a belongs to device d1' });
    expect(await ask(d1, 2)).toMatchObject({ granted: false, reason: expect.stringContaining('epoch 2 is not the newest') });
    await thread.own(d2);
    expect(await ask(d1, 1)).toMatchObject({ granted: false, reason: expect.stringContaining('that is 2, of device d2') });
    expect(await ask(d1, 1, threadId('nobody'))).toEqual({ granted: false, reason: 'thread nobody is not registered' });
    expect(store.epochs.size).toBe(0);
  });
  it('is denied when Redis has seen a newer epoch', async () => {
    const { thread, ask, store } = await rig();
    await thread.own(d1);
    store.epochs.set('a', 7);
    expect(await ask()).toEqual({ granted: false, reason: 'epoch 7 holds the right' });
  });
});
