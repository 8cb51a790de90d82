import { isRefusal, type ApplicationId, type DeviceId, type Sha256, type ShardId, type ThreadId } from '@godwit/kernel';
import { EMPTY_REGISTRY, applyEvent, subscribersOf, type DeviceSpec, type Registry, type RegistryEvent, type ThreadSpec } from './index.js';

const device = (id: string, memoryBytes = 1_000): DeviceSpec => ({
  device: id as DeviceId, kind: 'cpu', cpuCores: 1, memoryBytes, place: { pop: 'p', rack: 'r', subnet: 's' }, pricePerHour: 0, idleWatts: 1, busyWatts: 2, numaNodes: 1, runtimes: ['wasm'], labels: {},
});
const thread = (id: string, wish: Partial<ThreadSpec> = {}): ThreadSpec => ({
  thread: id as ThreadId, application: 'app' as ApplicationId, shard: 's-1' as ShardId, runtime: 'wasm', program: 'a'.repeat(64) as Sha256, args: [], env: {}, seed: 0, subscribes: [], deterministic: true,
  tickMs: 0, checkpointMs: 1, limits: { memoryBytes: 500, stackBytes: 1, tableEntries: 1, safepointMs: 1, cpuCores: 1 }, goals: {},
  affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false }, expectedCores: 0.1, ...wish,
});
const threadEvent = (id: string, wish: Partial<ThreadSpec> = {}): RegistryEvent => ({ event: 'thread-registered', spec: thread(id, wish) });
const application: RegistryEvent = { event: 'application-registered', spec: { application: 'app' as ApplicationId, description: '', goals: {} } };
const interval = { fromMs: 1, toMs: 2 };

/** Every event must fit. Frozen, so that a fold that writes would throw. */
const fold = (...events: readonly RegistryEvent[]): Registry => events.reduce<Registry>((registry, event) => {
  const next = applyEvent(Object.freeze(registry), event);
  if (isRefusal(next)) throw new Error(next.reason);
  return next;
}, EMPTY_REGISTRY);
const base = fold({ event: 'device-registered', spec: device('d-1') }, application, threadEvent('t-1'));

describe('the registry', () => {
  it('holds what was registered, and a later spec in place of the earlier', () => {
    const later = fold({ event: 'device-registered', spec: device('d-1') }, { event: 'device-registered', spec: device('d-1', 9) });
    expect([...later.devices.values()]).toEqual([device('d-1', 9)]);
    expect(EMPTY_REGISTRY.devices.size).toBe(0);
    const goals = applyEvent(base, threadEvent('t-1', { goals: { responseMsP99: 5 }, expectedCores: 0.7 })) as Registry;
    expect(goals.threads.get('t-1' as ThreadId)).toMatchObject({ goals: { responseMsP99: 5 }, expectedCores: 0.7 });
    expect(base.threads.get('t-1' as ThreadId)!.goals).toEqual({});
  });
  it('holds reservations, forecasts of load, and maintenance of what is there', () => {
    const all = [
      { event: 'reservation-registered', spec: { reservation: 'r', device: 'd-1' as DeviceId, cpuCores: 1, note: '', ...interval } },
      { event: 'load-forecast-registered', spec: { forecast: 'f', thread: 't-1' as ThreadId, cpuCores: 1, ...interval } },
      { event: 'maintenance-registered', spec: { maintenance: 'm', device: 'd-1' as DeviceId, note: '', ...interval } },
    ] as const;
    const full = all.reduce<Registry>((registry, event) => applyEvent(registry, event) as Registry, base);
    expect([full.reservations.size, full.loadForecasts.size, full.maintenance.size]).toEqual([1, 1, 1]);
  });
  it('lets go of what is removed', () => {
    const empty = fold({ event: 'device-registered', spec: device('d-1') }, application, threadEvent('t-1'), { event: 'thread-removed', id: 't-1' as ThreadId }, { event: 'device-removed', id: 'd-1' as DeviceId });
    expect([empty.threads.size, empty.devices.size]).toEqual([0, 0]);
  });
  it('lets a thread subscribe to itself and to threads of its shard, and knows who does', () => {
    const registry = fold(application, threadEvent('t-1'), threadEvent('t-2', { subscribes: ['t-1', 't-2'] as ThreadId[] }));
    expect(subscribersOf(registry, 't-1' as ThreadId)).toEqual(['t-2']);
    // Its own subscription does not stand in the way of its removal.
    expect(isRefusal(applyEvent(registry, { event: 'thread-removed', id: 't-2' as ThreadId }))).toBe(false);
  });
});

describe('an event that does not fit changes nothing', () => {
  const related = fold(application, threadEvent('t-1'), threadEvent('t-2', { subscribes: ['t-1' as ThreadId] }));
  it.each<[string, Registry, RegistryEvent, string, string]>([
    ['a thread of an unknown application', EMPTY_REGISTRY, threadEvent('t-9'), 'not-found', 'application'],
    ['a thread with another program', base, threadEvent('t-1', { program: 'b'.repeat(64) as Sha256 }), 'conflict', 'thread'],
    ['a thread with another shard', base, threadEvent('t-1', { shard: 's-2' as ShardId }), 'conflict', 'thread'],
    ['a thread with another runtime', base, threadEvent('t-1', { runtime: 'task' }), 'conflict', 'thread'],
    ['a subscription to nobody', base, threadEvent('t-2', { subscribes: ['t-1', 't-none'] as ThreadId[] }), 'not-found', 'subscribes.1'],
    ['a subscription across shards', base, threadEvent('t-2', { shard: 's-2' as ShardId, subscribes: ['t-1' as ThreadId] }), 'invalid-field', 'subscribes.0'],
    ['a thread larger than every device', base, threadEvent('t-2', { limits: { ...thread('t-2').limits, memoryBytes: 1_001 } }), 'no-capacity', 'limits.memoryBytes'],
    ['a shadow on an unknown device', base, threadEvent('t-2', { shadow: { policy: 'interval', lagLimitMs: 1_000, placement: 'named', device: 'd-none' as DeviceId } }), 'not-found', 'shadow.device'],
    ['removing an unknown device', base, { event: 'device-removed', id: 'd-none' as DeviceId }, 'not-found', 'device'],
    ['removing an unknown thread', base, { event: 'thread-removed', id: 't-none' as ThreadId }, 'not-found', 'thread'],
    ['removing a thread that another reads', related, { event: 'thread-removed', id: 't-1' as ThreadId }, 'conflict', 'thread'],
    ['a reservation on an unknown device', base, { event: 'reservation-registered', spec: { reservation: 'r', device: 'd-none' as DeviceId, cpuCores: 1, note: '', ...interval } }, 'not-found', 'device'],
    ['a forecast for an unknown thread', base, { event: 'load-forecast-registered', spec: { forecast: 'f', thread: 't-none' as ThreadId, cpuCores: 1, ...interval } }, 'not-found', 'thread'],
    ['maintenance of an unknown device', base, { event: 'maintenance-registered', spec: { maintenance: 'm', device: 'd-none' as DeviceId, note: '', ...interval } }, 'not-found', 'device'],
  ])('%s', (_name, registry, event, code, field) => {
    const sizes = Object.values(registry).map((m: ReadonlyMap<unknown, unknown>) => m.size);
    expect(applyEvent(registry, event)).toMatchObject({ refused: true, code, field, reason: expect.stringMatching(/.{15}/) });
    expect(Object.values(registry).map((m: ReadonlyMap<unknown, unknown>) => m.size)).toEqual(sizes);
  });
  it('but memory is not judged before a device is known', () => {
    expect(isRefusal(applyEvent(fold(application), threadEvent('t', { limits: { ...thread('t').limits, memoryBytes: 1e12 } })))).toBe(false);
  });
});
