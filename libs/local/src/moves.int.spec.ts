import { expectWhole, Loop, textOf, until } from './loop.fixture.js';

const MINUTES = 60_000;

describe('a thread that is moved by command', () => {
  let loop: Loop;
  beforeAll(async () => void (loop = await Loop.start({ policy: 'off' })), 2 * MINUTES);
  afterAll(() => loop?.[Symbol.asyncDispose](), MINUTES);

  it('ends with the output of an unmoved run after ten moves in mid-recursion, bit for bit', async () => {
    const program = await loop.putC('wander');
    await loop.thread('moved', 'wasm', program, { affinity: { avoidDevices: ['d-large'] } });
    await loop.thread('unmoved', 'wasm', program, { affinity: { devices: ['d-large'] } });
    // Both read the same lines, each a tenth of a second of recursion; so there is always work in the middle of which to move.
    let lines = 0;
    const feed = async (count: number): Promise<void> => {
      for (const end = lines + count; lines < end; lines++) {
        for (const thread of ['moved', 'unmoved']) await loop.input(thread, `line-${lines}`, `${11 + (lines % 2)}\n`);
      }
    };
    await feed(12);
    await until('the first output', async () => (await loop.outN('moved')) > 0);
    const epochs: number[] = [];
    for (let move = 0; move < 10; move++) {
      await feed(4);
      const { record } = await loop.own('moved');
      const own = await loop.move('moved', record.device === 'd-small' ? 'd-medium' : 'd-small');
      expect(`${own.record.reason}: ${own.record.note}`).toMatch(/^committed/);
      epochs.push(own.record.epoch);
      const seen = await loop.outN('moved');
      await feed(1);
      await until('progress at the new home', async () => (await loop.outN('moved')) > seen);
    }
    expect(new Set(epochs).size).toBe(10);
    for (const thread of ['moved', 'unmoved']) await loop.input(thread, 'end', '', 'end');
    await until('the moved run ends', async () => (await loop.own('moved')).record.reason === 'retired', 3 * MINUTES);
    await until('the unmoved run ends', async () => (await loop.own('unmoved')).record.reason === 'retired', 3 * MINUTES);
    const [moved, unmoved] = [await loop.outputs('moved'), await loop.outputs('unmoved')];
    expectWhole(moved);
    expect(moved).toHaveLength(unmoved.length);
    expect(textOf(moved)).toBe(textOf(unmoved));
    expect(textOf(moved).trim().split('\n')).toHaveLength(lines);
    expect(moved.at(-1)!.record.exit).toEqual({ code: 0 });
  }, 8 * MINUTES);

  it('is registered, and its phases are seen, by a plain NATS client with JSON', async () => {
    const program = await loop.put(`import { defineThread, jsonCodec } from '@godwit/sdk';
      export default defineThread({ name: 'sum', version: '1', deterministic: true, initial: () => ({ n: 0 }), codec: jsonCodec(),
        onMessage(ctx, message, state) { state.n += 1; ctx.emit('n', { n: state.n, at: ctx.now(), chance: ctx.random() }); return state; } });`);
    await loop.thread('plain', 'task', program);
    const phases: string[] = [];
    loop.link.nc.subscribe('godwit.migration.plain.*.json', { callback: (_e, m) => void phases.push((JSON.parse(m.string()) as { phase: string }).phase) });
    for (let i = 0; i < 20; i++) await loop.input('plain', `a-${i}`, 'x');
    await until('twenty outputs', async () => (await loop.outN('plain')) === 20);
    const { device } = (await loop.own('plain')).record;
    await loop.move('plain', device === 'd-large' ? 'd-medium' : 'd-large');
    for (let i = 0; i < 20; i++) await loop.input('plain', `b-${i}`, 'x');
    await loop.input('plain', 'a-3', 'x'); // repeated: it is there already
    await until('forty outputs', async () => (await loop.outN('plain')) === 40);
    await until('the last phase', async () => phases.includes('retired'));
    expect([...new Set(phases)]).toEqual(['planned', 'reserved', 'shadowing', 'frozen', 'staged', 'committing', 'active', 'retired']);
    const outputs = await loop.outputs('plain');
    expectWhole(outputs);
    expect((JSON.parse(textOf(outputs.slice(-1))) as { n: number }).n).toBe(40);
  }, 2 * MINUTES);
});
