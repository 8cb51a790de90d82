import { agentCommands, SUBJECTS } from '@godwit/wire';
import { Loop, textOf, until } from './loop.fixture.js';

const MINUTES = 60_000;
const GARBAGE = [new Uint8Array([0xff, 0xff, 0xff, 0xff]), new TextEncoder().encode('{"not":"protobuf"}'), new Uint8Array(70_000).fill(0x0a)];

/** (module (import "env" "surprise" (func)) (memory (export "memory") 1) (func (export "_start"))), assembled by hand. */
const UNKNOWN_IMPORT = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 16, 1, 3, 0x65, 0x6e, 0x76, 8, 0x73, 0x75, 0x72, 0x70, 0x72, 0x69, 0x73, 0x65, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1,
  7, 19, 2, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 6, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0, 1, 10, 4, 1, 2, 0, 0x0b,
]);
const TASK = `import { defineThread, jsonCodec } from '@godwit/sdk';
  export default defineThread({ name: 'echo', version: '1', deterministic: true, initial: () => ({ n: 0 }), codec: CODEC,
    onMessage(ctx, message, state) { state.n += 1; ctx.emit('n', state); return state; } });`;

describe('bad input', () => {
  let loop: Loop;
  beforeAll(async () => {
    loop = await Loop.start({ policy: 'off' });
    await loop.register('application-registered', 'app', { application: 'app' });
  }, 3 * MINUTES);
  afterAll(() => loop?.[Symbol.asyncDispose](), MINUTES);

  const pids = (): (number | undefined)[] => loop.local.services.map(({ pid }) => pid);
  async function expectAllReady(before: (number | undefined)[]): Promise<void> {
    for (const { name, adminUrl } of loop.local.services) {
      await until(`${name} is ready`, async () => (await fetch(`${adminUrl}/readyz`).catch(() => undefined))?.status === 200);
    }
    expect(pids()).toEqual(before);
  }
  const thread = (id: string, runtime: string, program: string, more: object = {}): object => ({ thread: id, application: 'app', runtime, programSha256: program, ...more });

  it.each([
    ['an unknown field', { colour: 'red' }, 'invalid-field', 'colour'],
    ['a wrong type', { args: 7 }, 'invalid-field', 'args'],
    ['an impossible limit', { limits: { memoryBytes: 2 ** 52 } }, 'invalid-field', 'limits.memoryBytes'],
    ['an unknown application', { application: 'nobody' }, 'not-found', 'application'],
    ['an unknown producer', { subscribes: ['ghost'] }, 'not-found', 'subscribes.0'],
    ['a program that is not there', {}, 'not-found', 'programSha256'],
    ['a runtime that is not offered', { runtime: 'process' }, 'unsupported', 'runtime'],
  ])('a thread with %s is rejected, and the field is named', async (_what, more, code, field) => {
    const id = `bad-${field.replace(/[^a-z]/gi, '').toLowerCase()}-${code}`;
    const verdict = await loop.register('thread-registered', id, thread(id, 'wasm', 'a'.repeat(64), more));
    expect(verdict).toMatchObject({ accepted: false, code, field });
    expect(verdict.subject).toBe('godwit.registry.rejected.thread-registered');
  }, MINUTES);

  it('a device with a capacity that cannot be, a huge name, another id than the subject’s: rejected with the field', async () => {
    const device = { device: 'd-x', cpuCores: 1, memoryBytes: 2 ** 30 };
    expect(await loop.register('device-registered', 'd-x', { ...device, cpuCores: -1 })).toMatchObject({ accepted: false, field: 'cpuCores' });
    expect(await loop.register('device-registered', 'd-y', { ...device, device: 'x'.repeat(65) })).toMatchObject({ accepted: false, field: 'device' });
    expect(await loop.register('device-registered', 'd-z', device)).toMatchObject({ accepted: false, field: 'id' });
  }, MINUTES);

  it.each([
    ['no WebAssembly', new TextEncoder().encode('#!/bin/sh'), 'not-wasm'],
    ['a truncated module', UNKNOWN_IMPORT.subarray(0, 40), 'not-wasm'],
    ['a module with an unknown import', UNKNOWN_IMPORT, 'unknown-import'],
  ])('a program that is %s is rejected with the reason', async (_what, bytes, code) => {
    const id = `p-${code}-${bytes.length}`;
    const verdict = await loop.register('thread-registered', id, thread(id, 'wasm', await loop.put(bytes)));
    expect(verdict).toMatchObject({ accepted: false, code });
    expect(verdict.reason.length).toBeGreaterThan(10);
  }, MINUTES);

  it.each([
    ['no module', 'this is not JavaScript ('],
    ['a module without a thread', 'export default 7;'],
    ['a module that imports what it may not', "import 'node:fs'; export default 1;"],
  ])('a task that is %s is rejected with the reason', async (_what, source) => {
    const id = `t-${source.length}`;
    const verdict = await loop.register('thread-registered', id, thread(id, 'task', await loop.put(source)));
    expect(verdict).toMatchObject({ accepted: false, code: 'invalid-program' });
  }, MINUTES);

  it('a task whose codec throws at its first state is rejected with the codec’s error', async () => {
    const program = await loop.put(TASK.replace('CODEC', '{ encode() { throw new Error("never"); }, decode: () => ({ n: 0 }) }'));
    expect(await loop.register('thread-registered', 'never', thread('never', 'task', program))).toMatchObject({ accepted: false, code: 'codec-failed', reason: expect.stringMatching(/never/) });
  }, MINUTES);

  it('a task whose codec throws later runs on, is not checkpointed and cannot be moved: the migration is rolled back with the reason', async () => {
    const before = pids();
    const program = await loop.put(TASK.replace('CODEC', '{ encode(state) { if (state.n > 0) throw new Error("no such thing"); return new Uint8Array(1); }, decode: () => ({ n: 0 }) }'));
    await loop.thread('mute', 'task', program);
    await loop.input('mute', 'one', 'x');
    await until('an output', async () => (await loop.outN('mute')) === 1);
    const own = await loop.own('mute');
    const moved = await loop.move('mute', own.record.device === 'd-large' ? 'd-medium' : 'd-large');
    expect(moved.record).toMatchObject({ reason: 'rolled-back', device: own.record.device });
    expect(moved.record.note).toMatch(/no such thing/);
    await loop.input('mute', 'two', 'x');
    await until('it goes on at the source', async () => (await loop.outN('mute')) === 2);
    expect(textOf(await loop.outputs('mute'))).toBe('{"n":1}{"n":2}');
    await expectAllReady(before);
  }, 2 * MINUTES);

  it('messages that are none, on every subject, leave every service up', async () => {
    const before = pids();
    const { nc } = loop.link;
    const device = loop.local.devices[0]!.device;
    const subjects = [
      SUBJECTS.metrics(device), SUBJECTS.trace(device), SUBJECTS.deviceForecast(device), SUBJECTS.threadForecast('mute'), SUBJECTS.registryEvent('thread-registered', 'x'),
      SUBJECTS.registryEvent('device-registered', 'x'), SUBJECTS.migration('mute', 'planned'), SUBJECTS.migrationJson('mute', 'planned'), SUBJECTS.decision('mute'),
      SUBJECTS.history('device', device), SUBJECTS.threadEvent(device), SUBJECTS.migrate, SUBJECTS.transferGrant, SUBJECTS.transferPath, SUBJECTS.graph, SUBJECTS.graphQuery,
      SUBJECTS.released('app'), 'godwit.registry.nonsense', 'godwit.registry.thread-exploded.x', 'godwit.registry.thread-registered', `$KV.GODWIT_LEASES.${'x'}`,
      ...agentCommands.map((command) => SUBJECTS.agentCommand(device, command)),
    ];
    for (const subject of subjects) for (const bytes of GARBAGE) nc.publish(subject, bytes);
    await nc.flush();
    for (const command of agentCommands.filter((name) => name !== 'status')) {
      const reply = await nc.request(SUBJECTS.agentCommand(device, command), GARBAGE[0], { timeout: 5_000 });
      expect(reply.headers?.get('Godwit-Code')).toBe('malformed-message');
    }
    await until('the unknown event is refused', async () => loop.verdicts.some(({ event, code }) => event === 'thread-exploded' && code === 'unknown-event'));
    await expectAllReady(before);
    await loop.input('mute', 'three', 'x');
    await until('threads go on', async () => (await loop.outN('mute')) === 3);
  }, 2 * MINUTES);
});
