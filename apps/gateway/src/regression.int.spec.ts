import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { events, produce, startTestGateway, thread, until, type TestGateway } from './gateway.fixture.js';

const failing = ({ gateway }: TestGateway): string[] => gateway.checks.flatMap(({ failing: reason }) => reason() ?? []);

describe('a gateway and a world that fails', () => {
  it('notices that the broker went backwards, says so and neither takes in nor releases any more', async () => {
    await using g = await startTestGateway();
    await g.registerThread();
    const ownSeq = await produce(g.journal, 'app', 't1', ['one', 'two']);
    expect((await g.ask('GET', '/v1/threads/t1/outputs')).body.items).toHaveLength(2);
    expect(failing(g)).toEqual([]);
    // The stream is lost and made anew, as after a restore of an old folder.
    await (await jetstreamManager(g.link.nc)).streams.delete('GODWIT_T_app');
    await g.nats.restart();
    await until('the gateway is not ready', 10_000, () => failing(g).some((reason) => reason.includes("the broker's last record is 0")));
    expect(ownSeq).toBe(1);
    expect(await g.ask('POST', '/v1/threads/t1/inputs', { messages: [{ text: 'x' }] })).toMatchObject({ status: 503, body: { code: 'broker-regressed' } });
    expect(await g.ask('GET', '/v1/threads/t1/outputs')).toMatchObject({ status: 503, body: { code: 'broker-regressed' } });
    expect((await g.ask('GET', '/v1/devices')).status).toBe(200);
  }, 60_000);

  it('goes on behind a broker that restarts: registry, streams of outputs, inputs', async () => {
    await using g = await startTestGateway();
    await g.registerThread();
    const ownSeq = await produce(g.journal, 'app', 't1', ['one']);
    const stream = events(`${g.gateway.url}/v1/threads/t1/outputs/stream`, 2, {}, 20_000);
    await g.nats.restart('SIGKILL');
    await produce(g.journal, 'app', 't1', ['two'], { ownSeq, from: 2 });
    expect((await stream).events.map(({ data }) => data.messages[0].text)).toEqual(['one', 'two']);
    await until('the gateway is ready', 10_000, () => failing(g).length === 0);
    expect((await g.ask('POST', '/v1/threads/t1/inputs', { messages: [{ text: 'x' }] })).status).toBe(201);
    expect(failing(g)).toEqual([]);
  }, 60_000);

  it('says that the effect of a registration is unknown when no controller gives a verdict', async () => {
    await using g = await startTestGateway({ controller: false, verdictMs: 200 });
    expect(await g.ask('POST', '/v1/threads', thread('t1'))).toMatchObject({ status: 504, body: { code: 'timeout', effect: 'unknown' } });
    expect((await g.ask('GET', '/v1/threads/t1')).status).toBe(404);
    expect(await g.ask('POST', '/v1/migrations', { thread: 't1', target: 'd1' })).toMatchObject({ status: 503, body: { code: 'connection-lost' } });
  }, 60_000);
});
