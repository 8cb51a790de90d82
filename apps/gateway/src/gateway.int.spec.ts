import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceId, threadId } from '@godwit/kernel';
import { decisionRecordCodec, encodeSamples, forecastCodec, migrationStatusCodec, shadowStatusCodec, SUBJECTS, threadEventCodec, type MigrationStatus } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { device, events, produce, PROGRAM, startTestGateway, thread, until, type TestGateway } from './gateway.fixture.js';

describe('the gateway', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({ heartbeatMs: 50 });
    await g.registerThread();
  }, 60_000);
  afterAll(async () => { await g[Symbol.asyncDispose](); }, 60_000);

  it('registers through REST exactly what a plain NATS client registers as JSON', async () => {
    const body = { ...device('d-rest'), kind: 'gpu', labels: { rack: 'a' } };
    const rest = await g.ask('POST', '/v1/devices', body);
    expect(rest.status).toBe(201);
    const json = headers();
    json.set('Content-Type', 'application/json');
    await jetstream(g.link.nc).publish('godwit.registry.device-registered.d-nats', JSON.stringify({ ...body, device: 'd-nats' }), { headers: json });
    await until('d-nats is shown', 5_000, async () => (await g.ask('GET', '/v1/devices/d-nats')).status === 200);
    const [a, b] = [(await g.ask('GET', '/v1/devices/d-rest')).body, (await g.ask('GET', '/v1/devices/d-nats')).body];
    expect({ ...b, device: 'd-rest' }).toEqual(a);
    expect(a).toMatchObject({ kind: 'gpu', numaNodes: 1, runtimes: ['wasm', 'task'], labels: { rack: 'a' }, threads: [], samples: null, forecasts: [] });
  });

  it('answers with the controller’s refusal and its field', async () => {
    const { status, body } = await g.ask('POST', '/v1/threads', { ...thread('t-orphan'), application: 'nobody' });
    expect(status).toBe(404);
    expect(body).toMatchObject({ code: 'not-found', field: 'application', status: 404, type: 'urn:godwit:problem:not-found' });
    expect((await g.ask('GET', '/v1/threads/t-orphan')).status).toBe(404);
    expect((await g.ask('DELETE', '/v1/devices/never')).body).toMatchObject({ code: 'not-found' });
  });

  it('shows a thread in the mapping in which it is registered, and takes that again', async () => {
    const { body } = await g.ask('GET', '/v1/threads/t1');
    expect(body).toMatchObject({ thread: 't1', programSha256: PROGRAM, shard: 'app', state: 'waiting', owner: null });
    const { state: _s, fault: _t, owner: _o, migration: _m, samples: _p, forecasts: _f, shadowStatus: _h, ...spec } = body;
    expect((await g.ask('POST', '/v1/threads', spec)).status).toBe(201);
  });

  it('removes a device', async () => {
    await g.ask('POST', '/v1/devices', device('d-gone'));
    expect((await g.ask('DELETE', '/v1/devices/d-gone')).status).toBe(204);
    expect((await g.ask('GET', '/v1/devices/d-gone')).status).toBe(404);
  });

  it('stores programs by their digest and refuses what is none', async () => {
    const wasm = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const stored = await g.ask('POST', '/v1/programs', wasm, { 'content-type': 'application/wasm' });
    expect(stored).toMatchObject({ status: 201, body: { sizeBytes: 8 } });
    expect(stored.body.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect((await g.ask('POST', '/v1/programs', 'export default 1', { 'content-type': 'application/wasm' })).body.code).toBe('not-wasm');
    expect((await g.ask('POST', '/v1/programs', 'export default 1', { 'content-type': 'text/javascript' })).status).toBe(201);
    expect((await g.ask('POST', '/v1/programs', 'export default 1', { 'content-type': 'application/x-executable' })).body.code).toBe('invalid-program');
    expect((await g.ask('POST', '/v1/programs', '#!/bin/sh\ncat\n', { 'content-type': 'application/x-executable' })).status).toBe(201);
  });

  it('pages lists by id', async () => {
    const first = (await g.ask('GET', '/v1/devices?limit=1')).body;
    expect(first.items).toHaveLength(1);
    const second = (await g.ask('GET', `/v1/devices?limit=1&after=${first.next}`)).body;
    expect(second.items[0].device > first.items[0].device).toBe(true);
  });

  it('takes an input once: 201, then 200, then 409 with other content', async () => {
    const body = { requestId: 'r-1', messages: [{ text: 'hello' }, { kind: 'n', json: { a: 1 } }, { payload: 'AAE=' }] };
    const first = await g.ask('POST', '/v1/threads/t1/inputs', body);
    expect(first).toMatchObject({ status: 201, body: { requestId: 'r-1', duplicate: false } });
    expect(await g.ask('POST', '/v1/threads/t1/inputs', body)).toMatchObject({ status: 200, body: { requestId: 'r-1', duplicate: true, seq: first.body.seq } });
    expect(await g.ask('POST', '/v1/threads/t1/inputs', { ...body, messages: [{ text: 'other' }] })).toMatchObject({ status: 409, body: { code: 'conflict', field: 'requestId' } });
    const raw = await g.ask('POST', '/v1/threads/t1/inputs', 'raw bytes', { 'content-type': 'text/plain', 'idempotency-key': 'r-2' });
    expect(raw).toMatchObject({ status: 201, body: { requestId: 'r-2' } });
    expect((await g.ask('POST', '/v1/threads/t1/inputs', { end: true, requestId: 'r-end' })).status).toBe(201);
    const reader = await g.journal.read({ shard: 'app' as never, thread: threadId('t1') }, { afterSeq: 0, subscribes: [] });
    const records = [];
    for await (const entry of reader) {
      if (entry.type === 'in') records.push(entry.record);
      if (records.length === 3) break;
    }
    await reader.close();
    expect(records.map(({ kind, messages }) => [kind, messages.map(({ payload }) => Buffer.from(payload).toString('latin1'))])).toEqual([
      ['message', ['hello', '{"a":1}', '\0\x01']], ['message', ['raw bytes']], ['end', []],
    ]);
  });

  it('pages outputs and resumes their stream behind the last event that a client saw', async () => {
    await g.ask('POST', '/v1/threads', thread('t-out'));
    const ownSeq = await produce(g.journal, 'app', 't-out', ['one', 'two', 'three']);
    const page = (await g.ask('GET', '/v1/threads/t-out/outputs?limit=2')).body;
    expect(page).toMatchObject({ next: 2, end: false, items: [{ n: 1, messages: [{ kind: 'line', payload: 'b25l', text: 'one' }] }, { n: 2 }] });
    expect((await g.ask('GET', `/v1/threads/t-out/outputs?after=${page.next}`)).body).toMatchObject({ next: 3, end: true, items: [{ n: 3 }] });
    expect((await g.ask('GET', '/v1/threads/t-out/outputs?last=1')).body).toMatchObject({ items: [{ n: 3 }] });
    const url = `${g.gateway.url}/v1/threads/t-out/outputs/stream`;
    expect((await events(url, 2)).events.map(({ id, data }) => [id, data.messages[0].text])).toEqual([['1', 'one'], ['2', 'two']]);
    const resumed = events(url, 2, { 'last-event-id': '2' });
    await produce(g.journal, 'app', 't-out', ['four'], { ownSeq, from: 4 });
    expect((await resumed).events.map(({ id }) => id)).toEqual(['3', '4']);
    expect((await g.ask('GET', '/v1/threads/t-out')).body).toMatchObject({ state: 'running', owner: { device: 'd1', epoch: 1, reason: 'placed' } });
    expect((await g.ask('GET', '/v1/devices/d1')).body.threads).toContain('t-out');
  });

  it('keeps a silent stream alive with comments', async () => {
    await g.ask('POST', '/v1/threads', thread('t-slow'));
    const stream = events(`${g.gateway.url}/v1/threads/t-slow/outputs/stream`, 1);
    const seen = await Promise.race([stream, until('two heartbeats', 500, () => false).catch(() => undefined)]);
    expect(seen).toBeUndefined();
    await produce(g.journal, 'app', 't-slow', ['late']);
    expect((await stream).comments.filter((text) => text === 'alive').length).toBeGreaterThan(1);
  });

  it('shows samples and forecasts as they come', async () => {
    g.link.nc.publish(SUBJECTS.metrics(deviceId('d1')), encodeSamples({
      device: deviceId('d1'), sequence: 1, atMs: [1_000, 2_000], absences: [],
      columns: [{ metric: 'cpu.cores', thread: '', values: [0.5, 0.75] }, { metric: 'cpu.cores', thread: 't1', values: [0.2, Number.NaN] }],
    }));
    g.link.nc.publish(SUBJECTS.deviceForecast('d1'), forecastCodec.encode({
      id: 'd1', resource: 'cpu', unit: 'cores', issuedAtMs: 5, stepMs: 1_000, levels: [0.5], values: [0.6, 0.7], models: [], demandNow: 0.5, capacity: 1, riskRatio: 0.25, observations: 10,
    }));
    await until('the forecast is there', 5_000, async () => (await g.ask('GET', '/v1/devices/d1')).body.forecasts.length === 1);
    expect((await g.ask('GET', '/v1/devices/d1')).body).toMatchObject({ samples: { atMs: 2_000, values: { 'cpu.cores': 0.75 } }, forecasts: [{ resource: 'cpu', riskRatio: 0.25 }] });
    expect((await g.ask('GET', '/v1/threads/t1')).body.samples).toEqual({ atMs: 1_000, device: 'd1', values: { 'cpu.cores': 0.2 } });
    expect((await g.ask('GET', '/v1/forecasts/devices/d1')).body.items[0]).toMatchObject({ values: [0.6, 0.7], levels: [0.5] });
    expect((await g.ask('GET', '/v1/forecasts/threads/t1')).body).toEqual({ items: [] });
  });

  it('shows a thread’s shadow, and how far it is behind', async () => {
    const status = { thread: threadId('t1'), shadow: 's-1', device: deviceId('d2'), source: deviceId('d1'), epoch: 1, state: 'following', checkpoint: 4, digestSha256: 'a'.repeat(64), cursorSeq: 9, outN: 3, lagMs: 120.4, stateBytes: 65_536 } as const;
    expect((await g.ask('GET', '/v1/threads/t1')).body.shadowStatus).toBeNull();
    g.link.nc.publish(SUBJECTS.shadow(threadId('t1')), shadowStatusCodec.encode({ ...status, thread: threadId('t-fault') }));
    g.link.nc.publish(SUBJECTS.shadow(threadId('t1')), shadowStatusCodec.encode(status));
    await until('the shadow is shown', 5_000, async () => (await g.ask('GET', '/v1/threads/t1')).body.shadowStatus !== null);
    expect((await g.ask('GET', '/v1/threads/t1')).body.shadowStatus).toEqual({ device: 'd2', state: 'following', checkpoint: 4, lagMs: 120, stateBytes: 65_536 });
  });

  it('shows that a thread’s program failed, and no longer once another device owns it', async () => {
    await g.ask('POST', '/v1/threads', thread('t-fault'));
    await produce(g.journal, 'app', 't-fault', ['one']);
    const failed = { device: deviceId('d1'), thread: threadId('t-fault'), epoch: 1, kind: 'faulted', code: 'thread-fault', reason: 'trap: unreachable', atMs: 7 } as const;
    g.link.nc.publish(SUBJECTS.threadEvent(deviceId('d1')), threadEventCodec.encode(failed));
    g.link.nc.publish(SUBJECTS.threadEvent(deviceId('d1')), threadEventCodec.encode({ ...failed, thread: threadId('t1'), device: deviceId('d2') }));
    await until('the fault is shown', 5_000, async () => (await g.ask('GET', '/v1/threads/t-fault')).body.state === 'faulted');
    expect((await g.ask('GET', '/v1/threads/t-fault')).body.fault).toEqual({ code: 'thread-fault', reason: 'trap: unreachable', atMs: 7 });
    expect((await g.ask('GET', '/v1/threads/t1')).body.fault).toBeNull();
    const own = (await g.journal.newestOwn({ shard: 'app' as never, thread: threadId('t-fault') }))!;
    await g.journal.appendOwn({ shard: 'app' as never, thread: threadId('t-fault') }, own.seq, { epoch: 2, device: deviceId('d1'), reason: 're-granted', checkpoint: 0, note: '' });
    await until('it runs again', 5_000, async () => (await g.ask('GET', '/v1/threads/t-fault')).body.state === 'running');
  });

  it('passes requests to migrate on, with the controller’s answer', async () => {
    const planned = await g.ask('POST', '/v1/migrations', { thread: 't1', target: 'd1' });
    expect(planned).toMatchObject({ status: 202, body: { migration: 'm-1' } });
    expect(planned.headers.get('location')).toBe('/v1/migrations/m-1');
    expect(await g.ask('POST', '/v1/migrations', { thread: 't1', target: 'd2' })).toMatchObject({ status: 409, body: { code: 'refused-by-policy', field: 'target', detail: 'd2 is draining' } });
  });

  it('tells migrations by their phases, newest first, and streams each status', async () => {
    const status = (phase: MigrationStatus['phase'], atMs: number, extra: Partial<MigrationStatus> = {}): MigrationStatus => ({
      migration: 'm-7' as never, thread: threadId('t1'), source: deviceId('d1'), target: deviceId('d2'), phase, epoch: 1, cause: 'manual', atMs, plannedAtMs: 100, ...extra,
    });
    const js = jetstream(g.link.nc);
    const stream = events(`${g.gateway.url}/v1/migrations/stream?after=0`, 2);
    for (const one of [status('planned', 100), status('reserved', 150), status('retired', 400, { outcome: 'committed', freezeMs: 12 })]) {
      await js.publish(SUBJECTS.migration('t1', one.phase), migrationStatusCodec.encode(one));
      await js.publish(SUBJECTS.migrationJson('t1', one.phase), JSON.stringify(migrationStatusCodec.toJson(one)));
      if (one.phase === 'reserved') await until('t1 is migrating', 5_000, async () => (await g.ask('GET', '/v1/threads/t1')).body.migration?.phase === 'reserved');
    }
    expect((await stream).events.map(({ data }) => data.phase)).toEqual(['planned', 'reserved']);
    await until('m-7 has ended', 5_000, async () => (await g.ask('GET', '/v1/migrations/m-7')).body.outcome === 'committed');
    const { body } = await g.ask('GET', '/v1/migrations?thread=t1&limit=1');
    expect(body).toMatchObject({ next: null, items: [{ migration: 'm-7', phase: 'retired', tookMs: 300, freezeMs: 12 }] });
    expect(body.items[0].phases).toEqual([{ phase: 'planned', atMs: 100 }, { phase: 'reserved', atMs: 150 }, { phase: 'retired', atMs: 400 }]);
  });

  it('explains decisions with their settlement', async () => {
    const decision = {
      decision: 'dc-1' as never, thread: threadId('t1'), atMs: 10, action: 'migrate', trigger: 'risk', source: deviceId('d1'), target: deviceId('d2'), reason: 'd1 is full in 12 s',
      expectedGainCoreSeconds: 4, costCoreSeconds: 1, risk: 0.9, candidates: [{ device: deviceId('d2'), verdicts: [{ plugin: 'headroom', score: 0.8, weight: 2 }], score: 0.8 }],
    } as const;
    const js = jetstream(g.link.nc);
    await js.publish(SUBJECTS.decision('t1'), decisionRecordCodec.encode({ decision }));
    await js.publish(SUBJECTS.decision('t1'), decisionRecordCodec.encode({ settlement: { decision: 'dc-1' as never, thread: threadId('t1'), settledAtMs: 20, expectedGainCoreSeconds: 4, realisedGainCoreSeconds: 3, verdict: 'helped', note: 'less overload' } }));
    await until('the settlement is there', 5_000, async () => (await g.ask('GET', '/v1/decisions?thread=t1')).body.items[0]?.settlement?.verdict === 'helped');
    expect((await g.ask('GET', '/v1/decisions')).body.items[0]).toMatchObject({ decision: 'dc-1', riskRatio: 0.9, reason: 'd1 is full in 12 s', candidates: [{ device: 'd2', score: 0.8 }] });
    expect((await g.ask('GET', '/v1/decisions?thread=t-out')).body.items).toEqual([]);
  });

  it('says that nobody serves the graph', async () => {
    expect(await g.ask('GET', '/v1/graph')).toMatchObject({ status: 503, body: { code: 'connection-lost' } });
  });

  it('describes itself, with the fields and closed sets of every body', async () => {
    const { body } = await g.ask('GET', '/openapi.json');
    const schema = body.paths['/v1/devices'].post.requestBody.content['application/json'].schema;
    expect(schema.properties.kind.enum).toEqual(['cpu', 'gpu', 'fpga', 'asic']);
    expect(schema.properties.device.pattern).toBe('^[a-z0-9-]{1,64}$');
    expect(body.paths['/v1/threads'].post.requestBody.content['application/json'].schema.properties).toHaveProperty('programSha256');
    expect(body.paths['/v1/threads/{id}/outputs'].get.parameters.map(({ name }: { name: string }) => name).sort()).toEqual(['after', 'id', 'last', 'limit']);
    expect((await g.ask('GET', '/docs')).text).toContain('<title>Godwit API');
  });
});
