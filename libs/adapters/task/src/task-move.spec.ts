import { describe, expect, it } from '@jest/globals';
import { type InputRecord } from '@godwit/runtime';
import type { ThreadSnapshot } from '@godwit/snapshot';
import { message, programOf, recordOf, Rig } from './task-rig.js';

/** Counts, hashes and rewrites its state, checks itself, and uses chance, time, dictionaries and promises. */
const WORKLOAD = `
  import { defineThread, jsonCodec } from '@godwit/sdk';
  const CELLS = 64;
  const mix = (hash, x) => Math.imul(hash ^ x, 0x01000193) >>> 0;
  const sum = (cells) => cells.reduce(mix, 0x811c9dc5);
  export default defineThread({
    name: 'workload', version: '1.0.0', deterministic: true, codec: jsonCodec(),
    initial: () => ({ count: 0, cells: new Uint32Array(CELLS), hash: sum(new Uint32Array(CELLS)), words: {}, seen: new Map(), first: Math.random() }),
    async onMessage(ctx, message, state) {
      if (sum(state.cells) !== state.hash) throw new Error('the hash does not hold');
      state.count += 1;
      for (let i = 0; i < 8; i++) state.cells[Math.floor(ctx.random() * CELLS)] = Math.floor(Math.random() * 2 ** 32);
      state.hash = sum(state.cells);
      const { word } = message.json();
      state.words[word] = (state.words[word] ?? 0) + 1;
      state.seen.set(word, new Date().toISOString());
      ctx.emit('count', { count: state.count, hash: state.hash, now: ctx.now(), date: String(new Date()), hours: new Date().getHours(), id: crypto.randomUUID() });
      await ctx.safepoint();
      ctx.emit('words', Object.entries(state.words));
      if (state.count % 5 === 0) ctx.emit('seen', [...state.seen, state.first, performance.now()]);
    },
    onTick(ctx, state) { ctx.emit('tick', [state.count, ctx.now()]); },
    onEnd(ctx, state) { ctx.emit('total', state.count); },
  });`;

const WORDS = ['zebra', 'ant', 'mole', '10', '9', '__proto__', '$x', 'bee'];
const wordsFrom = (at: number, count: number) => Array.from({ length: count }, (_, i) => message('word', { word: WORDS[(at * 5 + i * 3) % WORDS.length] }));

function journal(): InputRecord[] {
  const records = Array.from({ length: 24 }, (_, i) => {
    const seq = 2 * i + 1;
    if (i % 6 === 5) return recordOf(seq, { from: 'timer' });
    // The broker's clock goes back at one place.
    return recordOf(seq, { messages: wordsFrom(i, (i % 4) + 1), ...(i === 9 ? { atMs: 1_600_000_000_000 } : {}) });
  });
  return [...records, recordOf(99, { messages: wordsFrom(3, 2), end: true })];
}

const program = programOf(WORKLOAD);
const hashes = (rig: Rig): string[] => rig.outputs.map((output) => `${output.n} ${output.hash}`);

async function unmoved(): Promise<Rig> {
  const rig = await Rig.of(program);
  rig.thread.feed(journal());
  await rig.until('the exit', () => rig.exits.length > 0);
  return rig;
}

describe('a task that moves', () => {
  it('gives the same outputs as one that stays, bit for bit, wherever it is frozen', async () => {
    await using stayed = await unmoved();
    const expected = hashes(stayed);
    expect(expected).toHaveLength(25);
    const moves = 8;
    const got: string[] = [];
    let snapshot: ThreadSnapshot | undefined;
    for (let move = 0; move <= moves; move++) {
      await using rig = await Rig.of(program, snapshot ? 'staged' : 'started');
      if (snapshot) {
        expect(await rig.thread.restore(snapshot)).toBeUndefined();
        // The staged state is the source's.
        expect(await rig.thread.snapshot()).toEqual({ ...snapshot, sections: expect.anything(), random: expect.anything() });
        expect((await rig.take()).sections.map((s) => Buffer.from(s.bytes).toString('hex'))).toEqual(snapshot.sections.map((s) => Buffer.from(s.bytes).toString('hex')));
        rig.thread.resume();
      }
      const cursor = snapshot?.cursorSeq ?? 0;
      const rest = journal().filter((record) => record.seq > cursor);
      // One record at a time, frozen without waiting for it: the freeze falls before it, inside it, or after it.
      if (move < moves) {
        for (const record of rest.slice(0, 3)) rig.thread.feed([record]);
        await rig.until('something consumed', () => rig.consumed.length >= (move % 3));
        snapshot = await rig.take();
      } else {
        rig.thread.feed(rest);
        await rig.until('the exit', () => rig.exits.length > 0);
      }
      got.push(...hashes(rig));
    }
    expect(got).toEqual(expected);
  });

  it('is frozen between two messages of one record, with what it had emitted', async () => {
    const slow = programOf(`
      import { defineThread, jsonCodec } from '@godwit/sdk';
      export default defineThread({ name: 'slow', version: '1', deterministic: true, codec: jsonCodec(), initial: () => [],
        onMessage(ctx, message, state) { ctx.log(message.kind); for (let i = 0; i < 2e7; i++); state.push(message.kind); ctx.emit(message.kind, state); },
        onEnd(ctx, state) { ctx.emit('all', state); } });`);
    const record = recordOf(4, { messages: ['a', 'b', 'c', 'd', 'e', 'f'].map((kind) => message(kind, null)), end: true });
    await using source = await Rig.of(slow);
    source.thread.feed([record]);
    await source.until('the second message', () => source.logs.length >= 2);
    const snapshot = await source.take();
    expect(snapshot.sections.map((s) => s.name)).toEqual(['task', 'state', 'open']);
    expect(snapshot.cursorSeq).toBe(4);
    expect(source.consumed).toEqual([4]);
    expect(source.outputs).toEqual([]);
    await using target = await Rig.of(slow, 'staged');
    expect(await target.thread.restore(snapshot)).toBeUndefined();
    target.thread.resume();
    source.thread.resume();
    await Promise.all([source, target].map((rig) => rig.until('the exit', () => rig.exits.length > 0)));
    expect(hashes(target)).toEqual(hashes(source));
    expect(target.outputs).toHaveLength(1);
    expect(target.texts().map((text) => text.split(' ')[0])).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'all']);
    expect(target.consumed).toEqual([]);
  });

  it('drops what was fed and not consumed, and goes on from the cursor', async () => {
    await using stayed = await unmoved();
    await using rig = await Rig.of(program);
    rig.thread.feed(journal());
    const { cursorSeq } = await rig.take();
    rig.thread.feed(journal().filter((record) => record.seq > cursorSeq));
    rig.thread.resume();
    await rig.until('the exit', () => rig.exits.length > 0);
    expect(hashes(rig)).toEqual(hashes(stayed));
  });

  it('stays ended when it is moved after its end', async () => {
    await using source = await unmoved();
    const snapshot = await source.take();
    await using target = await Rig.of(program, 'staged');
    await target.thread.restore(snapshot);
    target.thread.resume();
    target.thread.feed([recordOf(120, { messages: wordsFrom(1, 1) })]);
    await target.freeze();
    expect([target.outputs, target.consumed, target.exits]).toEqual([[], [], []]);
  });
});

describe('a task and its codec', () => {
  const withCodec = (codec: string, version = '1') => `
    import { defineThread, jsonCodec } from '@godwit/sdk';
    const json = jsonCodec();
    export default defineThread({ name: 'codec', version: '${version}', initial: () => ({ count: 0 }), codec: ${codec},
      onMessage(ctx, message, state) { state.count += 1; if (message.kind === 'spoil') state.spoilt = NaN; else delete state.spoilt; ctx.emit('count', state.count); } });`;

  it('refuses the snapshot when encoding throws, and the thread goes on unharmed', async () => {
    await using rig = await Rig.of(programOf(withCodec('json')));
    rig.thread.feed([recordOf(1, { messages: [message('spoil', 0)] })]);
    await rig.untilConsumed(1);
    await rig.freeze();
    expect(await rig.thread.snapshot()).toMatchObject({ refused: true, code: 'codec-failed', reason: expect.stringMatching(/state\.spoilt is NaN/) });
    rig.thread.resume();
    rig.thread.feed([recordOf(2, { messages: [message('mend', 0)] })]);
    await rig.untilConsumed(2);
    expect((await rig.take()).cursorSeq).toBe(2);
    expect(rig.texts()).toEqual(['count 1', 'count 2']);
    expect(rig.faults).toEqual([]);
  });

  it('refuses the start when the first state cannot be encoded', async () => {
    await using rig = await Rig.of(programOf(withCodec('{ encode() { return "text"; }, decode() {} }')), 'staged');
    expect(await rig.thread.start()).toMatchObject({ code: 'codec-failed', reason: expect.stringMatching(/gave string instead of a Uint8Array/) });
  });

  it('refuses a snapshot that does not decode, and changes nothing', async () => {
    const program = programOf(withCodec('json'));
    await using source = await Rig.of(program);
    source.thread.feed([recordOf(1, { messages: [message('x', 0)] })]);
    await source.untilConsumed(1);
    const snapshot = await source.take();
    const section = (name: string, text: string): ThreadSnapshot => ({
      ...snapshot, sections: snapshot.sections.map((s) => (s.name === name ? { name, bytes: new TextEncoder().encode(text) } : s)),
    });
    await using target = await Rig.of(program, 'staged');
    const task = (fields: object): string => JSON.stringify({ format: 1, name: 'codec', version: '1', deterministic: false, ended: false, ...fields });
    const cases: [ThreadSnapshot, string, string | undefined][] = [
      [section('state', '{"count":'), 'codec-failed', undefined],
      [section('task', 'x'), 'snapshot-damaged', 'sections.task'],
      [section('task', task({ format: 2 })), 'snapshot-damaged', 'sections.task.format'],
      [section('task', task({ version: '2' })), 'conflict', 'sections.task.version'],
      [section('task', task({ name: 'other' })), 'conflict', 'sections.task.name'],
      [{ ...snapshot, sections: [] }, 'snapshot-damaged', 'sections'],
      [{ ...snapshot, random: new Uint8Array(16) }, 'snapshot-damaged', 'random'],
      [{ ...snapshot, runtime: 'wasm' }, 'conflict', 'runtime'],
      [{ ...snapshot, program: snapshot.chainHash }, 'conflict', 'program'],
      [{ ...snapshot, sections: [...snapshot.sections, { name: 'open', bytes: new Uint8Array([9, 0, 0, 0]) }] }, 'snapshot-damaged', 'sections.open'],
    ];
    for (const [damaged, code, field] of cases) {
      const refused = await target.thread.restore(damaged);
      expect([refused?.code, refused?.field]).toEqual([code, field]);
    }
    expect(await target.thread.restore(snapshot)).toBeUndefined();
    target.thread.resume();
    target.thread.feed([recordOf(2, { messages: [message('x', 0)] })]);
    await target.untilConsumed(2);
    expect(target.texts()).toEqual(['count 2']);
  });

  it('refuses a state that is larger than its limit', async () => {
    const source = `
      import { defineThread, jsonCodec } from '@godwit/sdk';
      export default defineThread({ name: 'large', version: '1', codec: jsonCodec(), initial: () => '', onMessage: (ctx, message, state) => 'x'.repeat(5000) });`;
    await using rig = await Rig.of(programOf(source, { memoryBytes: 4096 }));
    rig.thread.feed([recordOf(1, { messages: [message('x', 0)] })]);
    await rig.untilConsumed(1);
    await rig.freeze();
    expect(await rig.thread.snapshot()).toMatchObject({ code: 'limit-exceeded', field: 'limits.memoryBytes' });
    expect(rig.thread.sample().stateBytes).toBe(5002);
  });

  it('ends a codec that does not return', async () => {
    await using rig = await Rig.of(programOf(withCodec('{ encode(state) { if (state.count > 0) for (;;); return new Uint8Array(); }, decode() {} }')));
    rig.thread.feed([recordOf(1, { messages: [message('x', 0)] })]);
    await rig.untilConsumed(1);
    await rig.freeze();
    expect(await rig.thread.snapshot()).toMatchObject({ code: 'limit-exceeded' });
    expect(rig.faults).toHaveLength(1);
  });
});
