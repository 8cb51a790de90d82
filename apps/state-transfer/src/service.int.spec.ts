import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { applicationId, deviceId, isRefusal, requestId, shardId, threadId, type Sha256 } from '@godwit/kernel';
import type { FencedAppender, Journal } from '@godwit/journal';
import { connectNats, ensureStreams, natsJournal, openLeases, type Leases, type NatsLink } from '@godwit/nats';
import { openCheckpointStore, type CheckpointStore } from '@godwit/redis';
import type { DeviceSpec, RegistryEvent } from '@godwit/registry';
import { call, createLog, NatsStrategy, sha256, systemClock } from '@godwit/shell';
import { CHAIN_START, chainOutput } from '@godwit/snapshot';
import { startTestNats, startTestRedis, type TestNats, type TestRedis } from '@godwit/testing';
import {
  decodeEvent, encodeEvent, encodeSamples, eventId, grantReplyCodec, grantRequestCodec, leaseCodec, pathReplyCodec, pathRequestCodec, STREAMS, SUBJECTS, verdictCodec,
} from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import { recordHorizon } from './record-horizon.js';
import { openTransferService, type TransferService } from './service.js';
import { GRANT_PORTS, TransferController } from './transfer.controller.js';
import { TransferPaths } from './transfer-paths.js';

const WITHIN_MS = 15_000;
const RETRY_HORIZON_MS = 1_000;
const [d1, d2, t1] = [deviceId('d1'), deviceId('d2'), threadId('t1')];
const at = { shard: shardId('app'), thread: t1 };
const log = createLog('spec', 'silent');

const device = (id: string): RegistryEvent => ({
  event: 'device-registered',
  spec: { device: deviceId(id), kind: 'cpu', cpuCores: 1, memoryBytes: 2 ** 30, place: { pop: 'p', rack: 'r', subnet: '' }, pricePerHour: 0, idleWatts: 0, busyWatts: 0, numaNodes: 1, runtimes: ['task'], labels: {} } satisfies DeviceSpec,
});
function thread(id: string): RegistryEvent {
  const event = decodeEvent('thread-registered', new TextEncoder().encode(JSON.stringify({ thread: id, application: 'app', runtime: 'task', programSha256: 'a'.repeat(64) })), { json: true });
  if (isRefusal(event)) throw new Error(event.reason);
  return event;
}

/** Resolves when `holds`; asked again every 50 ms. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const limitAtMs = performance.now() + WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > limitAtMs) throw new Error(`${what}: not within ${WITHIN_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('state-transfer on NATS and Redis', () => {
  let nats: TestNats;
  let redis: TestRedis;
  let link: NatsLink;
  let store: CheckpointStore;
  let journal: Journal;
  let leases: Leases;
  let service: TransferService;
  let app: Awaited<ReturnType<typeof NestFactory.createMicroservice>>;
  let appender: FencedAppender;
  let [n, k, hash, cursorSeq] = [0, 0, CHAIN_START as Sha256, 0];

  beforeAll(async () => {
    [nats, redis] = await Promise.all([startTestNats(), startTestRedis()]);
    link = await connectNats({ url: nats.url, name: 'spec' });
    store = await openCheckpointStore({ url: redis.url });
    await ensureStreams(link, { replicas: 1, registrySubjects: STREAMS.registry.subjects });
    journal = natsJournal(link);
    await journal.ensureShard(at.shard);
    leases = await openLeases(link, {});
    await accept({ event: 'application-registered', spec: { application: applicationId('app'), description: '', goals: {} } });
    for (const event of [device('d1'), device('d2'), thread('t1')]) await accept(event);
    service = await openTransferService({ link, store, log, clock: systemClock, replicas: 1, retryHorizonMs: RETRY_HORIZON_MS, transfersPerLink: 2, purgeMs: 100 });
    class Root {}
    Module({ providers: [{ provide: GRANT_PORTS, useValue: service.grants }, { provide: TransferPaths, useValue: service.paths }], controllers: [TransferController] })(Root);
    app = await NestFactory.createMicroservice(Root, { strategy: new NatsStrategy(link.nc, log), logger: false });
    await app.listen();
    await link.nc.flush();
  }, 60_000);
  afterAll(async () => {
    await app.close();
    await service.close();
    await store.close();
    await link.close();
    await Promise.all([nats[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
  }, 60_000);

  async function accept(event: RegistryEvent): Promise<void> {
    const js = jetstream(link.nc);
    const { seq } = await js.publish(SUBJECTS.registryEvent(event.event, eventId(event)), encodeEvent(event));
    await js.publish(SUBJECTS.registryVerdict(seq), verdictCodec.encode({ eventSeq: seq, event: event.event, id: eventId(event), accepted: true, code: '', field: '', reason: '' }));
  }
  const askGrant = (asking = d1, epoch = 1) => call(link.nc, { subject: SUBJECTS.transferGrant, request: grantRequestCodec, reply: grantReplyCodec, timeoutMs: 2_000 }, { thread: t1, device: asking, epoch });
  const askPath = () => call(link.nc, { subject: SUBJECTS.transferPath, request: pathRequestCodec, reply: pathReplyCodec, timeoutMs: 2_000 }, { source: d1, target: d2, sizeBytes: 1_000_000 });
  async function work(inputs: number): Promise<void> {
    for (let i = 0; i < inputs; i++) {
      const input = await journal.appendInput(at, { requestId: requestId(`r${++n}`), kind: 'message', messages: [] });
      if (isRefusal(input)) throw new Error(input.reason);
      cursorSeq = input.seq;
      const output = chainOutput(hash, { n, causedBySeq: input.seq, originMs: 0, messages: [] }, sha256);
      hash = output.hash;
      expect(await appender.appendOutputs([output])).toMatchObject({ result: 'appended' });
    }
  }
  async function checkpoint(): Promise<void> {
    k++;
    const place = await store.writeCheckpoint({ thread: t1, epoch: 1, k, parts: [new Uint8Array(100_000).fill(k)], chunkBytes: 30_000, sha256 });
    if (isRefusal(place)) throw new Error(place.reason);
    expect(await appender.appendCheckpoint({ k, device: d1, runtime: 'task', program: sha256(), cursorSeq, outN: n, chainHash: hash, ...place })).toMatchObject({ result: 'appended' });
  }

  it('grants to the owner in the journal, and to nobody else', async () => {
    expect(await askGrant()).toMatchObject({ granted: false, reason: 'thread t1 has no owner yet' });
    const own = await journal.appendOwn(at, 0, { epoch: 1, device: d1, reason: 'placed', checkpoint: 0, note: '' });
    if (own.result !== 'appended') throw new Error('not the owner');
    appender = journal.fencedAppender(at, { epoch: 1, ownSeq: own.own.seq });
    expect(await askGrant(d2)).toMatchObject({ granted: false });
    expect(await askGrant()).toEqual({ granted: true, reason: '' });
  });

  it('gives the path by leases and places, at the measured speed', async () => {
    link.nc.publish(SUBJECTS.metrics(d1), encodeSamples({ device: d1, sequence: 0, atMs: [1], absences: [], columns: [{ metric: 'link.d2.bytes_per_second', thread: '', values: [1e6] }] }));
    expect(await askPath()).toMatchObject({ path: 'same-rack', expectedMs: 1_000, waitMs: 0 });
    for (const one of [d1, d2]) await leases.renew(one, leaseCodec.encode({ device: one, bootId: 'boot', instance: 'i', renewedAtMs: 0, bulkHost: 'h', bulkPort: 1 }));
    await until('the leases are known', async () => (await askPath() as { path: string }).path === 'same-host');
  });

  it('answers malformed requests with a refusal, ignores other malformed messages, and stays up', async () => {
    for (const subject of [SUBJECTS.transferGrant, SUBJECTS.transferPath]) {
      const { headers } = await link.nc.request(subject, Uint8Array.of(255, 255), { timeout: 2_000 });
      expect(headers?.get('Godwit-Code')).toBe('malformed-message');
    }
    for (const subject of [SUBJECTS.metrics(d1), SUBJECTS.released(at.shard)]) link.nc.publish(subject, Uint8Array.of(255, 255));
    await leases.renew(d2, Uint8Array.of(255, 255));
    await until('all were counted', () => service.paths.malformed.count === 2 && service.released.malformed.count === 1);
    expect(await askGrant()).toMatchObject({ granted: true });
  });

  it('purges below two verified checkpoints once the gateway and the horizon have passed, and keeps the rest readable', async () => {
    for (let i = 0; i < 3; i++) {
      await work(5);
      await checkpoint();
    }
    await until('the checkpoints are verified', () => service.verifier.verified(t1).length === 2);
    await until('old checkpoints are removed', () => service.purger.removedCheckpoints === 1);
    expect(await journal.tail(at)).toMatchObject({ outN: 15, k: 3 });
    expect((await journal.checkpoints(at, 9)).map(({ record }) => record.k)).toEqual([3, 2]);
    expect(await recordHorizon(link.nc, at.shard, 3_600_000)).toBe(0);
    expect(await recordHorizon(link.nc, at.shard, 0)).toBe(await journal.lastSeq(at.shard));
    await expect(recordHorizon(link.nc, shardId('nowhere'), 0)).rejects.toMatchObject({ name: 'OperationError', effect: 'none' });
    // Without the gateway's mark no input and no output has gone: only manifest 1.
    expect(service.purger.purgedRecords).toBe(1);

    link.nc.publish(SUBJECTS.released(at.shard), String(await journal.lastSeq(at.shard)));
    await until('the horizon has passed', () => service.purger.purgedRecords === 1 + 9 + 9);
    const outputs = await journal.readOutputs(at, { afterN: 9, follow: false });
    const left: number[] = [];
    for await (const { record } of outputs) left.push(record.n);
    expect(left).toEqual([10, 11, 12, 13, 14, 15]);
    await outputs.close();
    const [newest] = await journal.checkpoints(at, 1);
    expect(await store.readCheckpoint({ ...newest!.record, thread: t1 })).toHaveLength(100_000);
    expect(await service.metrics.metrics()).toContain('godwit_journal_purged_records_total 19');
  });

  it('raises an alarm for a checkpoint that Redis does not hold as it was written, and does not count it', async () => {
    await work(1);
    // The manifest of a checkpoint whose chunks were never written.
    k++;
    await appender.appendCheckpoint({ k, device: d1, runtime: 'task', program: sha256(), cursorSeq, outN: n, chainHash: hash, digest: sha256(), bytes: 10, chunks: 1 });
    await until('the alarm', () => service.verifier.damagedCount === 1);
    expect(service.verifier.verified(t1).map((record) => record.k)).toEqual([3, 2]);
    expect((await journal.checkpoints(at, 9)).map(({ record }) => record.k)).toEqual([4, 3, 2]);
  });

  it('goes on after Redis was away', async () => {
    await redis.restart('SIGKILL');
    await work(1);
    await until('Redis is back', async () => checkpoint().then(() => true, () => false));
    await until('its checkpoint counts', () => service.verifier.verified(t1)[0]?.k === k);
    expect(await askGrant()).toMatchObject({ granted: true });
  });
});
