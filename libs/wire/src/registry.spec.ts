import type { ThreadSpec } from '@godwit/registry';
import { decodeEvent, encodeEvent, threadSpecCodec } from './registry.js';
import { decisionRecordCodec, prepareCommandCodec, migrationStatusCodec } from './control.js';

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const thread = { thread: 't1', application: 'app', runtime: 'wasm', programSha256: 'a'.repeat(64) };

describe('registration events', () => {
  it('mean the same as JSON and as Protocol Buffers, with the same defaults', () => {
    const fromJson = decodeEvent('thread-registered', json(thread), { json: true, subjectId: 't1' });
    expect(fromJson).toMatchObject({ event: 'thread-registered', spec: { thread: 't1', shard: 'app', program: 'a'.repeat(64), deterministic: true, checkpointMs: 5000, limits: { memoryBytes: 67108864, cpuCores: 1 }, affinity: { pinned: false, devices: [] } } });
    if ('refused' in fromJson) throw new Error(fromJson.reason);
    expect(decodeEvent('thread-registered', encodeEvent(fromJson), { json: false })).toEqual(fromJson);
  });
  const refused: [string, object, string][] = [
    ['an unknown field', { ...thread, colour: 'red' }, 'colour'],
    ['a wrong type', { ...thread, args: 'x' }, 'args'],
    ['a huge name', { ...thread, thread: 'x'.repeat(65) }, 'thread'],
    ['an id that would be a wildcard', { ...thread, thread: '*' }, 'thread'],
    ['an impossible limit', { ...thread, limits: { memoryBytes: -1 } }, 'limits.memoryBytes'],
    ['an unknown runtime', { ...thread, runtime: 'java' }, 'runtime'],
    ['a hash that is none', { ...thread, programSha256: 'xyz' }, 'programSha256'],
    ['an unknown field inside', { ...thread, limits: { cpu: 1 } }, 'limits.cpu'],
  ];
  it.each(refused)('refuse %s and name the field', (_what, message, field) => {
    expect(decodeEvent('thread-registered', json(message), { json: true })).toMatchObject({ refused: true, code: 'invalid-field', field });
  });
  it('refuse devices with impossible capacities', () => {
    const device = { device: 'd', cpuCores: 1, memoryBytes: 2 ** 30 };
    expect(decodeEvent('device-registered', json(device), { json: true })).toMatchObject({ event: 'device-registered', spec: { kind: 'cpu', runtimes: ['wasm', 'task'] } });
    for (const cpuCores of [0, -1, 1e9, 'many']) expect(decodeEvent('device-registered', json({ ...device, cpuCores }), { json: true })).toMatchObject({ field: 'cpuCores' });
    expect(decodeEvent('device-registered', new TextEncoder().encode('{"device":"d","cpuCores":1e999,"memoryBytes":1073741824}'), { json: true })).toMatchObject({ field: 'cpuCores' });
  });
  it('refuse what is no event, no JSON, no message, or about something else than its subject says', () => {
    expect(decodeEvent('thread-exploded', json({}), { json: true })).toMatchObject({ code: 'unknown-event' });
    expect(decodeEvent('thread-registered', new Uint8Array([0x7b]), { json: true })).toMatchObject({ code: 'malformed-message' });
    expect(decodeEvent('thread-registered', new Uint8Array([0xff, 0xff]), { json: false })).toMatchObject({ code: 'malformed-message' });
    expect(decodeEvent('thread-registered', json(thread), { json: true, subjectId: 't2' })).toMatchObject({ field: 'id' });
  });
  it('refuse an interval that ends before it begins', () => {
    expect(decodeEvent('reservation-registered', json({ reservation: 'r', device: 'd', cpuCores: 1, fromMs: 5, toMs: 5 }), { json: true })).toMatchObject({ field: 'toMs' });
  });
});

describe('a thread’s shadow', () => {
  const withShadow = (shadow: object) => threadSpecCodec.fromJson({ ...thread, shadow });
  it('is none unless it is asked for, and comes back as it was', () => {
    expect((threadSpecCodec.fromJson(thread) as ThreadSpec).shadow).toBeUndefined();
    const spec = withShadow({ policy: 'continuous', lagLimitMs: 200 }) as ThreadSpec;
    expect(spec.shadow).toEqual({ policy: 'continuous', lagLimitMs: 200, placement: 'other-rack' });
    expect(threadSpecCodec.decode(threadSpecCodec.encode(spec))).toEqual(spec);
    expect((withShadow({}) as ThreadSpec).shadow).toEqual({ policy: 'none', lagLimitMs: 1_000, placement: 'other-rack' });
    expect((withShadow({ policy: 'interval', placement: 'named', device: 'd-1' }) as ThreadSpec).shadow).toMatchObject({ placement: 'named', device: 'd-1' });
    const plain = threadSpecCodec.fromJson(thread) as ThreadSpec;
    expect(threadSpecCodec.decode(threadSpecCodec.encode(plain))).toEqual(plain);
  });
  it.each<[string, object, string]>([
    ['a negative lag', { policy: 'continuous', lagLimitMs: -1 }, 'shadow.lagLimitMs'],
    ['a lag below 50 ms', { policy: 'continuous', lagLimitMs: 49 }, 'shadow.lagLimitMs'],
    ['a lag above a minute', { policy: 'continuous', lagLimitMs: 60_001 }, 'shadow.lagLimitMs'],
    ['a lag that is no number', { policy: 'continuous', lagLimitMs: '1 s' }, 'shadow.lagLimitMs'],
    ['an unknown policy', { policy: 'always' }, 'shadow.policy'],
    ['an unknown placement', { policy: 'interval', placement: 'moon' }, 'shadow.placement'],
    ['named without a device', { policy: 'interval', placement: 'named' }, 'shadow.device'],
    ['a device that is not named', { policy: 'interval', device: 'd-1' }, 'shadow.device'],
    ['a device that is no id', { policy: 'interval', placement: 'named', device: 'D 1' }, 'shadow.device'],
    ['a field that there is not', { policy: 'interval', colour: 'red' }, 'shadow.colour'],
  ])('is refused with %s', (_what, shadow, field) => expect(withShadow(shadow)).toMatchObject({ refused: true, field }));
});

describe('control messages', () => {
  it('carry a whole thread spec inside a command', () => {
    const spec = threadSpecCodec.fromJson(thread) as ThreadSpec;
    const command = { migration: 'm-1' as never, spec, epoch: 1, transferKey: new Uint8Array(32), expectedCores: 0.5 };
    expect(prepareCommandCodec.decode(prepareCommandCodec.encode(command))).toEqual(command);
  });
  it('carry decisions, settlements and migration status', () => {
    const decision = { decision: 'd-1' as never, thread: 't' as never, atMs: 1, action: 'keep' as const, trigger: 'predicted-exhaustion' as const, reason: 'r', expectedGainCoreSeconds: 1, costCoreSeconds: 0, risk: 0.5, candidates: [{ device: 'x' as never, verdicts: [{ plugin: 'p', refusal: 'no' }] }] };
    expect(decisionRecordCodec.decode(decisionRecordCodec.encode({ decision }))).toEqual({ decision });
    const status = { migration: 'm' as never, thread: 't' as never, source: 'a' as never, target: 'b' as never, phase: 'rolled-back' as const, epoch: 1, cause: '', atMs: 2, plannedAtMs: 1, outcome: 'rolled-back' as const };
    expect(migrationStatusCodec.decode(migrationStatusCodec.encode(status))).toEqual(status);
  });
});
