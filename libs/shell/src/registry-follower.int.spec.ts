import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { applicationId, deviceId } from '@godwit/kernel';
import type { DeviceSpec, Registry, RegistryEvent } from '@godwit/registry';
import { startTestNats, type TestNats } from '@godwit/testing';
import { encodeEvent, eventId, STREAMS, SUBJECTS, verdictCodec } from '@godwit/wire';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { createLog, followRegistry, type FollowedEvent, type RegistryFollower } from './index.js';

const WITHIN_MS = 10_000;
const log = createLog('spec', 'silent');

const device = (name: string, cpuCores = 2): RegistryEvent => ({
  event: 'device-registered',
  spec: {
    device: deviceId(name), kind: 'cpu', cpuCores, memoryBytes: 2 ** 30, place: { pop: 'p', rack: 'r', subnet: 's' }, pricePerHour: 0, idleWatts: 0, busyWatts: 0,
    numaNodes: 1, runtimes: ['wasm', 'task'], labels: {},
  } satisfies DeviceSpec,
});

/** Resolves when `holds`; looked at after each change that is told to `check`. */
function condition(what: string, holds: () => boolean) {
  let check = (): void => undefined;
  const met = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: not within ${WITHIN_MS} ms`)), WITHIN_MS);
    check = () => { if (holds()) { clearTimeout(timer); resolve(); } };
  });
  return { met, check: () => check() };
}

/** Resolves at the next reconnection. */
async function reconnected(nats: NatsConnection): Promise<void> {
  for await (const status of nats.status()) if (status.type === 'reconnect') return;
}

describe('following the registry', () => {
  let server: TestNats;
  let nats: NatsConnection;
  const followers: RegistryFollower[] = [];

  beforeAll(async () => {
    server = await startTestNats();
    nats = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  }, 60_000);
  afterAll(async () => {
    await nats.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(async () => {
    for (const follower of followers.splice(0)) await follower.stop();
    const manager = await jetstreamManager(nats);
    await manager.streams.delete(STREAMS.registry.name).catch((error: Error) => { if (error.message !== 'stream not found') throw error; });
    await manager.streams.add({ name: STREAMS.registry.name, subjects: [...STREAMS.registry.subjects] });
  });

  const publish = async (event: RegistryEvent): Promise<number> =>
    (await jetstream(nats).publish(SUBJECTS.registryEvent(event.event, eventId(event)), encodeEvent(event), { retries: 20 })).seq;
  const decide = async (eventSeq: number, accepted: boolean): Promise<void> => {
    await jetstream(nats).publish(SUBJECTS.registryVerdict(eventSeq), verdictCodec.encode({ eventSeq, event: 'e', id: 'i', accepted, code: '', field: '', reason: '' }));
  };
  const follow = async (listeners: { onChange?: (registry: Registry) => void; onEvent?: (event: FollowedEvent) => void } = {}): Promise<RegistryFollower> => {
    const follower = await followRegistry({ nats, log, limitMs: WITHIN_MS, ...listeners });
    followers.push(follower);
    return follower;
  };

  it('is caught up at once on an empty stream', async () => {
    const follower = await follow();
    expect(follower.registry.devices.size).toBe(0);
    expect(follower.failing()).toBeUndefined();
  });

  it('applies accepted events only, and tells the undecided ones', async () => {
    await decide(await publish(device('d1')), true);
    await decide(await publish(device('d2')), false);
    const undecided = await publish(device('d3'));
    const told: (Registry | undefined)[] = [];
    const follower = await follow({ onChange: (registry) => told.push(registry) });
    expect([...follower.registry.devices.keys()]).toEqual(['d1']);
    expect(follower.undecided.map(({ seq }) => seq)).toEqual([undecided]);
    expect(told).toEqual([follower.registry]);
  });

  it('applies in the order of the verdicts', async () => {
    const [small, big] = [await publish(device('d1', 1)), await publish(device('d1', 8))];
    await decide(big, true);
    await decide(small, true);
    expect((await follow()).registry.devices.get(deviceId('d1'))?.cpuCores).toBe(1);
  });

  it('skips malformed events and verdicts, unknown events and accepted events that do not fit', async () => {
    const js = jetstream(nats);
    const malformed = (await js.publish(SUBJECTS.registryEvent('device-registered', 'd9'), Uint8Array.of(255, 255, 1))).seq;
    await decide(malformed, true);
    await js.publish(SUBJECTS.registryVerdict(malformed), Uint8Array.of(255));
    await decide(await publish({ event: 'device-removed', id: deviceId('nowhere') }), true);
    await decide(4_000, true);
    await decide(await publish(device('d1')), true);
    expect([...(await follow()).registry.devices.keys()]).toEqual(['d1']);
  });

  it('reads events in JSON', async () => {
    const json = headers();
    json.set('Content-Type', 'application/json');
    const ack = await jetstream(nats).publish(SUBJECTS.registryEvent('application-registered', 'shop'), JSON.stringify({ application: 'shop' }), { headers: json });
    await decide(ack.seq, true);
    expect((await follow()).registry.applications.has(applicationId('shop'))).toBe(true);
  });

  it('follows on, and goes on behind the last event when the broker was killed and started again', async () => {
    await decide(await publish(device('d1')), true);
    const effective: string[] = [];
    const first = condition('d2 is registered', () => effective.includes('d1,d2'));
    const second = condition('d3 is registered', () => effective.includes('d1,d2,d3'));
    await follow({ onChange: (registry) => { effective.push([...registry.devices.keys()].join()); first.check(); second.check(); } });
    await decide(await publish(device('d2')), true);
    await first.met;
    const back = reconnected(nats);
    await server.restart('SIGKILL');
    await back;
    await decide(await publish(device('d3')), true);
    await second.met;
    expect(effective).toEqual(['d1', 'd1,d2', 'd1,d2,d3']);
  });

  it.each([['fewer', ['d7']], ['more', ['d6', 'd7', 'd8']]])('folds anew when the stream is another one, with %s messages', async (_what, names) => {
    for (const name of ['d1', 'd2']) await decide(await publish(device(name)), true);
    let devices = '';
    const anew = condition('the fold holds the new devices only', () => devices === names.join());
    const follower = await follow({ onChange: (registry) => { devices = [...registry.devices.keys()].join(); anew.check(); } });
    const manager = await jetstreamManager(nats);
    await manager.streams.delete(STREAMS.registry.name);
    await manager.streams.add({ name: STREAMS.registry.name, subjects: [...STREAMS.registry.subjects] });
    for (const name of names) await decide(await publish(device(name)), true);
    await anew.met;
    expect(follower.seq).toBe(2 * names.length);
    expect(follower.failing()).toBeUndefined();
  });

  it('says why when there is no stream', async () => {
    await (await jetstreamManager(nats)).streams.delete(STREAMS.registry.name);
    await expect(followRegistry({ nats, log, limitMs: 400 })).rejects.toMatchObject({ name: 'OperationError', code: 'timeout', effect: 'none', message: expect.stringContaining('stream not found') });
    const manager = await jetstreamManager(nats);
    await manager.streams.add({ name: STREAMS.registry.name, subjects: [...STREAMS.registry.subjects] });
  });
});
