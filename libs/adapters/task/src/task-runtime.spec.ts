import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { message, programOf, recordOf, Rig } from './task-rig.js';

const thread = (fields: string, before = ''): string => `
  import { defineThread, jsonCodec } from '@godwit/sdk';
  ${before}
  export default defineThread({ name: 'spec', version: '1', codec: jsonCodec(), initial: () => ({ count: 0 }),
    onMessage(ctx, message, state) { state.count += 1; ctx.emit('count', { count: state.count }); }, ${fields} });`;

async function refusalOf(source: string): Promise<string> {
  const rig = await Rig.prepare(programOf(source));
  if (!isRefusal(rig)) {
    await rig.thread.stop();
    return 'not refused';
  }
  return `${rig.code}: ${rig.reason}`;
}

describe('loading a task', () => {
  it.each([
    ['a text that is no ECMAScript', 'export default {', /^invalid-program: .*SyntaxError/],
    ['no default export', 'export const x = 1;', /no default export/],
    ['another default export', 'export default { name: "x" };', /not the result of defineThread/],
    ['an import of Node', 'import fs from "node:fs"; export default fs;', /imports "node:fs", but only "@godwit\/sdk"/],
    ['an import of a file', 'import x from "./x.js"; export default x;', /imports ".\/x.js"/],
    ['a definition without version', 'import { defineThread } from "@godwit/sdk"; export default defineThread({ name: "x" });', /defineThread: version must be/],
    ['a top level that does not end', 'for (;;);', /top level did not end within 1000 ms/],
    ['a top level that waits for ever', 'await new Promise(() => {});', /awaits something at its top level/],
    ['a top level that imports dynamically', 'await import("node:fs");', /import\("node:fs"\)/],
    ['Date at the top level of a deterministic thread', thread('deterministic: true', 'const at = Date.now();'), /Date of now is available only inside handlers/],
    ['eval', 'eval("1");', /Code generation from strings disallowed/],
  ])('refuses %s', async (_what, source, reason) => {
    const refusal = await refusalOf(source);
    expect(refusal).toMatch(reason);
    expect(refusal).toMatch(/^invalid-program: /);
  });

  it('refuses bytes that do not have the registered hash', async () => {
    const rig = await Rig.prepare({ ...programOf(thread('')), bytes: new TextEncoder().encode(thread('onEnd() {}')) });
    expect(rig).toMatchObject({ refused: true, code: 'digest-mismatch' });
  });

  it('offers nothing of Node to the program', async () => {
    const names = ['process', 'require', 'fetch', 'setTimeout', 'Buffer', 'WebSocket', 'WebAssembly', 'Atomics', 'global', 'module'];
    await using rig = await Rig.of(programOf(thread(`initial: () => ({ count: 0, there: ${JSON.stringify(names)}.filter((name) => name in globalThis) }),
      onMessage(ctx, message, state) { ctx.emit('there', state.there); }`)));
    rig.thread.feed([recordOf(1, { messages: [message('x', 1)] })]);
    await rig.until('an output', () => rig.outputs.length > 0);
    expect(rig.texts()).toEqual(['there []']);
  });
});

describe('a running task', () => {
  it('gets messages, ticks and the end in order, and exits with code 0', async () => {
    await using rig = await Rig.of(programOf(thread(`
      onMessage(ctx, message, state) { state.count += 1; ctx.emit('m', [message.from, message.kind, message.json(), message.payload instanceof Uint8Array, ctx.args, ctx.env, ctx.threadId]); },
      onTick(ctx, state) { state.count += 1; ctx.emit('tick', ctx.now()); },
      async onEnd(ctx, state) { await ctx.safepoint(); ctx.emit('end', state.count); }`)));
    rig.thread.feed([
      recordOf(3, { messages: [message('a', 1), message('b', { two: 2 })] }), recordOf(4), recordOf(5, { from: 'timer' }),
      recordOf(9, { messages: [message('c', 3)], end: true }), recordOf(10, { messages: [message('never', 0)] }),
    ]);
    await rig.until('the exit', () => rig.exits.length > 0);
    expect(rig.exits).toEqual([0]);
    expect(rig.consumed).toEqual([3, 4, 5, 9]);
    const rest = 'true,["one","two"],{"COLOUR":"red"},"t-1"]';
    expect(rig.texts()).toEqual([`m ["in","a",1,${rest}`, `m ["in","b",{"two":2},${rest}`, 'tick 1700000000050', `m ["in","c",3,${rest}`, 'end 4']);
    expect(rig.outputs.map(({ n, causedBySeq, originMs, exit }) => [n, causedBySeq, originMs, exit?.code])).toEqual([
      [1, 3, 1_700_000_000_027, undefined], [2, 5, 1_700_000_000_047, undefined], [3, 9, 1_700_000_000_087, 0],
    ]);
    expect(rig.thread.sample().traces).toEqual({ 'kind:a': 1, 'kind:b': 1, 'kind:c': 1, ticks: 1 });
    expect(rig.thread.sample().consumedRecords).toBe(4);
  });

  it('cuts its output when one record makes more than 64 KiB', async () => {
    await using rig = await Rig.of(programOf(thread(`onMessage(ctx) { for (let i = 0; i < 5; i++) ctx.emit('big', new Uint8Array(30000)); }`)));
    rig.thread.feed([recordOf(1, { messages: [message('x', 1)] }), recordOf(2, { messages: [message('x', 1)] })]);
    await rig.until('four outputs', () => rig.outputs.length === 4);
    expect(rig.outputs.map((o) => [o.causedBySeq, o.messages.length])).toEqual([[1, 3], [1, 2], [2, 3], [2, 2]]);
  });

  it.each([
    ['throws', 'throw new RangeError("no such thing");', /^RangeError: no such thing \(program:\d+:\d+\)$/],
    ['rejects', 'return Promise.reject(new Error("later"));', /^Error: later/],
    ['throws what cannot be shown', 'throw { get message() { throw 1; } };', /cannot be shown/],
    ['waits for what never comes', 'return new Promise(() => {});', /awaits something that never comes/],
    ['leaves a safepoint behind', 'void ctx.safepoint();', /without awaiting its ctx.safepoint/],
    ['leaves a failing promise behind', 'void Promise.reject(new Error("left behind"));', /left behind/],
    ['emits what is no message', 'ctx.emit("no spaces", 1);', /emit: kind "no spaces"/],
    ['imports', 'return import("node:fs");', /import\("node:fs"\)/],
  ])('stands still with a fault when a handler %s', async (_what, body, reason) => {
    await using rig = await Rig.of(programOf(thread(`onMessage(ctx) { ctx.emit('lost', 1); ${body} }`)));
    rig.thread.feed([recordOf(1, { messages: [message('x', 1)] }), recordOf(2, { messages: [message('x', 1)] })]);
    await rig.until('a fault', () => rig.faults.length > 0);
    expect(rig.faults).toHaveLength(1);
    expect(rig.faults[0]).toMatchObject({ code: 'thread-fault', reason: expect.stringMatching(reason) });
    expect(rig.outputs).toEqual([]);
    expect(await rig.thread.freeze()).toMatchObject({ code: 'thread-fault' });
    expect(await rig.thread.snapshot()).toMatchObject({ code: 'thread-fault' });
  });

  it('is ended when a handler does not return, and a freeze that waits for it is answered', async () => {
    await using rig = await Rig.of(programOf(thread(`onMessage(ctx, message) { ctx.log('in'); if (message.kind === 'loop') for (;;); }`)));
    rig.thread.feed([recordOf(1, { messages: [message('loop', 1)] })]);
    await rig.until('the handler runs', () => rig.logs.length > 0);
    const fromMs = performance.now();
    expect(await rig.thread.freeze()).toMatchObject({ code: 'limit-exceeded', field: 'limits.safepointMs' });
    expect(rig.faults).toMatchObject([{ code: 'limit-exceeded' }]);
    expect(performance.now() - fromMs).toBeGreaterThan(100);
    expect(performance.now() - fromMs).toBeLessThan(10_000);
  });

  it('is ended when a handler does not return, also when nobody freezes it', async () => {
    await using rig = await Rig.of(programOf(thread(`onMessage() { for (;;); }`)));
    rig.thread.feed([recordOf(1, { messages: [message('loop', 1)] })]);
    await rig.until('the fault', () => rig.faults.length > 0);
    expect(rig.faults).toMatchObject([{ code: 'limit-exceeded', field: 'limits.safepointMs' }]);
  });

  it('lets a long handler run on while it reaches ctx.safepoint(), until a freeze waits', async () => {
    await using rig = await Rig.of(programOf(thread(`async onMessage(ctx) {
      for (let i = 0; ; i++) { if (i % 1000 === 0) ctx.emit('at', new Uint8Array(70000)); for (let j = 0; j < 1e4; j++); await ctx.safepoint(); } }`), { safepointMs: 50 }));
    rig.thread.feed([recordOf(1, { messages: [message('x', 1)] })]);
    await rig.until('ten times the limit', () => rig.thread.sample().cpuSeconds > 0.5 || rig.outputs.length > 20);
    expect(rig.faults).toEqual([]);
    expect(await rig.thread.freeze()).toMatchObject({ code: 'limit-exceeded' });
  });

  it('is held back to its duty cycle, and still freezes at once', async () => {
    const source = thread(`onMessage(ctx, message, state) { state.count += 1; let x = 0; for (let i = 0; i < 3e6; i++) x += i % 7; if (state.count === 40) ctx.emit('done', x); }`);
    await using rig = await Rig.of(programOf(source, { safepointMs: 5_000 }));
    rig.thread.setDuty(0.2);
    const fromMs = performance.now();
    rig.thread.feed(Array.from({ length: 40 }, (_, i) => recordOf(i + 1, { messages: [message('x', 1)] })));
    await rig.until('the work', () => rig.outputs.length === 1);
    const wallSeconds = (performance.now() - fromMs) / 1000;
    const { cpuSeconds, heldSeconds } = rig.thread.sample();
    expect(cpuSeconds / wallSeconds).toBeLessThan(0.24);
    // On a busy machine, the time that the kernel gave to others counts as held.
    expect(heldSeconds).toBeGreaterThan(0);
    rig.thread.setDuty(0.001);
    rig.thread.feed([recordOf(50, { messages: [message('x', 1)] })]);
    await rig.untilConsumed(50);
    const frozenFromMs = performance.now();
    await rig.freeze();
    expect(performance.now() - frozenFromMs).toBeLessThan(500);
  });

  it('is held back at ctx.safepoint() too', async () => {
    const source = thread(`async onMessage(ctx) { for (let i = 0; i < 100; i++) { for (let j = 0; j < 3e6; j++); await ctx.safepoint(); } ctx.emit('done', 1); }`);
    await using rig = await Rig.of(programOf(source));
    rig.thread.setDuty(0.25);
    const fromMs = performance.now();
    rig.thread.feed([recordOf(1, { messages: [message('x', 1)] })]);
    await rig.until('the handler returned', () => rig.outputs.length === 1);
    const { cpuSeconds, heldSeconds } = rig.thread.sample();
    expect(cpuSeconds / ((performance.now() - fromMs) / 1000)).toBeLessThan(0.28);
    expect(heldSeconds).toBeGreaterThan(0);
  });
});

describe('time and chance', () => {
  const emitting = (expressions: readonly string[], fields = ''): string => thread(`${fields}
    onMessage(ctx) { const tried = (f) => { try { return f(); } catch (error) { return error.message; } }; ctx.emit('values', [${expressions.map((e) => `tried(() => ${e})`).join()}]); }`);
  const valuesOf = async (source: string): Promise<unknown[]> => {
    await using rig = await Rig.of(programOf(source));
    rig.thread.feed([recordOf(1, { atMs: 1_700_000_000_000, messages: [message('x', 1)] })]);
    await rig.until('an output', () => rig.outputs.length > 0);
    return JSON.parse(rig.texts()[0]!.replace('values ', '')) as unknown[];
  };

  it('are virtual in a deterministic thread, with dates in UTC and nothing of the machine', async () => {
    const cases: [expression: string, value: unknown][] = [
      ['Date.now()', 1_700_000_000_000],
      ['new Date().toISOString()', '2023-11-14T22:13:20.000Z'],
      ['Date()', 'Tue, 14 Nov 2023 22:13:20 GMT'],
      ['new Date(2020, 0, 31, 12).toISOString()', '2020-01-31T12:00:00.000Z'],
      ['new Date("2020-01-31T12:00").getTime()', 1_580_472_000_000],
      ['new Date("31 January 2020").getTime()', null],
      ['new Date(new Date(5)).getTime()', 5],
      ['[new Date(0).getHours(), new Date(0).getTimezoneOffset(), new Date(0) instanceof Date]', [0, 0, true]],
      ['typeof Intl + typeof WeakRef + typeof FinalizationRegistry', 'undefinedundefinedundefined'],
      ['(1.5).toLocaleString()', "Number.prototype.toLocaleString shows the machine's locale and is not available in a deterministic thread"],
      ['"a".localeCompare("b")', "String.prototype.localeCompare shows the machine's locale and is not available in a deterministic thread"],
    ];
    expect(await valuesOf(emitting(cases.map(([expression]) => expression), 'deterministic: true,'))).toEqual(cases.map(([, value]) => value));
    const chance = emitting(['Math.random()', 'ctx.random()', 'crypto.randomUUID()', 'performance.now()', '[...crypto.getRandomValues(new Uint8Array(4))]'], 'deterministic: true,');
    expect(await valuesOf(chance)).toEqual(await valuesOf(chance));
  });

  it("are the machine's in a thread that is not deterministic, but for its context's", async () => {
    const fromMs = Date.now();
    const [now, uuid, virtual] = await valuesOf(emitting(['Date.now()', 'crypto.randomUUID()', 'ctx.now()']));
    expect(now).toBeGreaterThanOrEqual(fromMs - 1);
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(virtual).toBe(1_700_000_000_000);
  });
});
