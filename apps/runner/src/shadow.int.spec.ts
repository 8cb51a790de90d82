import type { ThreadProgram } from '@godwit/runtime';
import { cProgram, DrivenRunner, granted, listInput, listProgram } from './checkpoints.fixture.js';

const MINUTE = 60_000;

describe('a shadow in a runner', () => {
  let counter: ThreadProgram;
  const runners: DrivenRunner[] = [];
  beforeAll(async () => { counter = await cProgram('counter'); }, 3 * MINUTE);
  afterEach(async () => { for (const runner of runners.splice(0)) await runner.end(); });

  async function runner(program: ThreadProgram): Promise<DrivenRunner> {
    const one = await DrivenRunner.prepared(program);
    runners.push(one);
    return one;
  }
  async function durable(source: DrivenRunner, k: number): Promise<Awaited<ReturnType<DrivenRunner['checkpoint']>>> {
    const checkpoint = await source.checkpoint(k, k - 1);
    granted(await source.ask('shadow-durable', { k, epoch: 1 }));
    return checkpoint;
  }
  const holds = (shadow: DrivenRunner, k: number): Promise<void> => shadow.until(`checkpoint ${k} at the shadow`, () => shadow.shadow?.k === k);

  it('holds each durable checkpoint with its digest, and goes on from the last as its source did', async () => {
    const [source, shadow] = [await runner(counter), await runner(counter)];
    granted(await source.ask('start', {}));
    await source.checkpoint(1, 0);
    await source.feedTo(shadow, { k: 1, epoch: 1 });
    await holds(shadow, 1);
    let last = await source.checkpoint(2, 1);
    // Encoded, and not durable: the shadow must not have it.
    await source.until('two lines more', () => source.outN >= last.outN + 2);
    expect(shadow.shadow?.k).toBe(1);
    granted(await source.ask('shadow-durable', { k: 2, epoch: 1 }));
    for (let k = 3; k <= 6; k++) last = await durable(source, k);
    await holds(shadow, 6);
    expect(shadow.shadow).toMatchObject({ state: 'following', digest: last.digest, outN: last.outN, epoch: 1 });
    const mark = granted(await shadow.ask('shadow-promote', { k: 6, digest: last.digest }));
    expect(mark).toMatchObject({ digest: last.digest, outN: last.outN });
    granted(await shadow.ask('resume', {}));
    await shadow.until('its first lines', () => shadow.outputs.length >= 2);
    await source.until('the source there too', () => source.outN >= shadow.outN);
    for (const output of shadow.outputs) expect(output).toEqual(source.outputs.find(({ n }) => n === output.n));
  }, 2 * MINUTE);

  it('keeps what it holds when its feed ends, is promoted with nothing else, and follows a new feed', async () => {
    const [source, shadow] = [await runner(counter), await runner(counter)];
    granted(await source.ask('start', {}));
    await source.checkpoint(1, 0);
    const link = await source.feedTo(shadow, { k: 1, epoch: 1 });
    const second = await durable(source, 2);
    await holds(shadow, 2);
    link.destroy();
    await shadow.until('the end of the feed', () => shadow.shadow?.state === 'cut-off');
    expect(shadow.shadow).toMatchObject({ k: 2, digest: second.digest });
    const third = await source.checkpoint(3, 2);
    await source.feedTo(shadow, { k: 3, epoch: 2 });
    await holds(shadow, 3);
    expect(shadow.shadow).toMatchObject({ state: 'following', epoch: 2 });
    expect(await shadow.ask('shadow-promote', { k: 2, digest: second.digest })).toMatchObject({ code: 'conflict', field: 'k' });
    expect(third.parent).toBe(2);
  }, 2 * MINUTE);

  it('is given deltas also where the store gets a new base, and says that what it holds is current', async () => {
    const [source, shadow] = [await runner(counter), await runner(counter)];
    granted(await source.ask('start', {}));
    await source.checkpoint(1, 0);
    await source.feedTo(shadow, { k: 1, epoch: 1 });
    await durable(source, 2);
    await holds(shadow, 2);
    const base = await source.checkpoint(3, 0);
    expect(base.parent).toBe(0);
    granted(await source.ask('shadow-durable', { k: 3, epoch: 1 }));
    await holds(shadow, 3);
    expect(shadow.shadow?.digest).toBe(base.digest);
    granted(await source.ask('shadow-durable', { k: 3, epoch: 4 }));
    await shadow.until('the new epoch', () => shadow.shadow?.epoch === 4);
    const restored = await runner(counter);
    expect(granted(await restored.ask('restore', { parts: [base.bytesOf], digest: base.digest })).digest).toBe(base.digest);
  }, 2 * MINUTE);

  it('of a task holds its encoded state', async () => {
    const [source, shadow] = [await runner(listProgram()), await runner(listProgram())];
    granted(await source.ask('start', {}));
    source.feed([listInput(1, ['a', 'b'])]);
    await source.until('its answer', () => source.outN === 1);
    await source.checkpoint(1, 0);
    await source.feedTo(shadow, { k: 1, epoch: 1 });
    await holds(shadow, 1);
    source.feed([listInput(2, ['c'])]);
    await source.until('its answer', () => source.outN === 2);
    const second = await durable(source, 2);
    await holds(shadow, 2);
    granted(await shadow.ask('shadow-promote', { k: 2, digest: second.digest }));
    granted(await shadow.ask('resume', {}));
    for (const one of [source, shadow]) one.feed([listInput(3, ['d', 'e', 'f'])]);
    for (const one of [source, shadow]) await one.until('the third answer', () => one.outN === 3);
    expect(shadow.outputs).toEqual(source.outputs.slice(2));
  }, MINUTE);
});
