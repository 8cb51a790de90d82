import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { checkNatsDurability } from './nats-durability.js';

async function listening(server: Server): Promise<{ port: number } & AsyncDisposable> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) };
}

const monitor = (body: string) => listening(createHttpServer((_, response) => response.setHeader('connection', 'close').end(body)));

async function check(varz: unknown) {
  await using server = await monitor(JSON.stringify(varz));
  return await checkNatsDurability({ monitorUrl: `http://127.0.0.1:${server.port}` });
}

describe('the durability of a NATS server', () => {
  it('is good when it is new enough and syncs always', async () => {
    expect(await check({ version: '2.15.1', jetstream: { config: { sync_always: true } } })).toEqual({ version: '2.15.1', syncAlways: true });
  });

  it('is refused below 2.12.6', async () => {
    expect(await check({ version: '2.12.5', jetstream: { config: { sync_always: true } } })).toMatchObject({ code: 'server-too-old' });
  });

  it.each([[{ sync_always: false }], [{}]])('is refused when JetStream’s configuration is %j', async (config) => {
    expect(await check({ version: '2.15.1', jetstream: { config } })).toMatchObject({ code: 'unsafe-durability', reason: expect.stringContaining('sync_interval: always') });
  });

  it('is refused without JetStream', async () => {
    expect(await check({ version: '2.15.1', jetstream: {} })).toMatchObject({ code: 'unsafe-durability', reason: expect.stringContaining('JetStream') });
  });

  it('is refused when it cannot be seen, and the reason names the variable', async () => {
    expect(await checkNatsDurability({})).toMatchObject({ code: 'unsafe-durability', reason: expect.stringContaining('NATS_MONITOR_URL') });
  });

  it('shows an old version from the greeting, where there is no monitoring address', async () => {
    await using server = await listening(createServer((socket) => socket.end('INFO {"server_id":"x","version":"2.9.10","go":"go1.19.8"} \r\n')));
    expect(await checkNatsDurability({ url: `nats://127.0.0.1:${server.port}` })).toMatchObject({ code: 'server-too-old', reason: expect.stringContaining('2.9.10') });
  });

  it.each(['<html>', '{}', 'null'])('fails on an address that answers %s', async (body) => {
    await using server = await monitor(body);
    await expect(checkNatsDurability({ monitorUrl: `http://127.0.0.1:${server.port}` })).rejects.toMatchObject({ code: 'malformed-message' });
  });

  it('fails when nothing answers', async () => {
    const server = await monitor('');
    await server[Symbol.asyncDispose]();
    await expect(checkNatsDurability({ monitorUrl: `http://127.0.0.1:${server.port}` })).rejects.toMatchObject({ code: 'connection-lost', effect: 'none' });
  });
});
