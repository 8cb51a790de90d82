/** All of Godwit as real processes. The apps must be built. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { connectNats } from '@godwit/nats';
import type { DeviceSpec } from '@godwit/registry';
import { createLog, followRegistry } from '@godwit/shell';
import { descendantsOf, leftOf, startTestNats, temporaryFolder, type SeenProcess } from '@godwit/testing';
import { readEndpoint, startLocal, type LocalGodwit, type LocalOptions } from './index.js';
import { isReady } from './service-process.js';
import { until } from './loop.fixture.js';

const MINUTE = 60_000;
const GONE_WITHIN_MS = 15_000;
const SERVICES = ['migration-controller', 'state-transfer', 'forecaster', 'dependency-graph', 'agent-d-small', 'agent-d-medium', 'agent-d-large', 'gateway'];

async function started(options: LocalOptions): Promise<LocalGodwit> {
  const local = await startLocal(options);
  if (isRefusal(local)) throw new Error(local.reason);
  return local;
}

async function registeredDevices(natsUrl: string): Promise<DeviceSpec[]> {
  await using link = await connectNats({ url: natsUrl, name: 'spec' });
  const follower = await followRegistry({ nats: link.nc, log: createLog('spec', 'silent') });
  await follower.stop();
  return [...follower.registry.devices.values()];
}

const serviceOf = (local: LocalGodwit, name: string) => local.services.find((service) => service.name === name)!;

describe('Godwit on one machine', () => {
  let folder: { path: string; remove(): Promise<void> };
  let local: LocalGodwit;
  const lines: string[] = [];
  beforeAll(async () => {
    folder = await temporaryFolder('local');
    local = await started({ dataDir: folder.path, onLine: (line) => lines.push(line) });
  }, 2 * MINUTE);
  afterAll(async () => {
    await local?.stop();
    await folder.remove();
  }, MINUTE);

  it('has every service ready, each a process of its own', async () => {
    expect(local.services.map(({ name }) => name).sort()).toEqual([...SERVICES].sort());
    expect(await Promise.all(local.services.map(({ adminUrl }) => isReady(adminUrl!)))).toEqual(SERVICES.map(() => true));
    expect(new Set([...local.services, ...local.servers].map(({ pid }) => pid)).size).toBe(SERVICES.length + 2);
  });

  it('serves the API and its description, and tells the CLI where', async () => {
    expect((await fetch(new URL('/openapi.json', local.url))).status).toBe(200);
    expect((await fetch(local.docsUrl)).status).toBe(200);
    expect(await readEndpoint(folder.path)).toEqual({ url: local.url, natsUrl: local.natsUrl, redisUrl: local.redisUrl, pid: process.pid });
  });

  it('has its devices registered as they were given', async () => {
    expect(await registeredDevices(local.natsUrl)).toEqual(expect.arrayContaining([...local.devices]));
  });

  it('writes a log for each service', async () => {
    const texts = await Promise.all(SERVICES.map((name) => readFile(join(local.logsDir, `${name}.log`), 'utf8')));
    expect(texts.map((text) => text.includes('"msg":"serving"'))).toEqual(SERVICES.map(() => true));
  });

  it('is refused a second time on the same data, with the pid of the first', async () => {
    const second = await startLocal({ dataDir: folder.path });
    expect(second).toMatchObject({ refused: true, code: 'data-locked', reason: expect.stringContaining(`process ${process.pid}`) });
  });

  it('starts a killed service again, where its clients knew it', async () => {
    const { url } = local;
    const { pid } = serviceOf(local, 'gateway');
    local.kill('gateway', 'SIGKILL');
    await until('the gateway runs again', async () => serviceOf(local, 'gateway').pid !== undefined && serviceOf(local, 'gateway').pid !== pid, MINUTE);
    expect(local.url).toBe(url);
    expect((await fetch(new URL('/openapi.json', url))).status).toBe(200);
    expect(lines).toContain('gateway ended (SIGKILL); starting it again');
    expect(lines).toContain('gateway runs again');
  }, 2 * MINUTE);

  it('starts a service again that died unasked, after a pause', async () => {
    const { pid } = serviceOf(local, 'agent-d-small');
    process.kill(pid!, 'SIGKILL');
    await until('the agent runs again', async () => serviceOf(local, 'agent-d-small').pid !== undefined && serviceOf(local, 'agent-d-small').pid !== pid, MINUTE);
    expect(lines).toContain('agent-d-small ended (SIGKILL); starting it again in 250 ms');
  }, 2 * MINUTE);

  it('leaves a service away that was killed to stay away, until it is called back', async () => {
    local.kill('forecaster', 'SIGKILL', { restart: false });
    await until('the forecaster is held', async () => serviceOf(local, 'forecaster').state === 'held');
    expect(() => local.kill('forecaster', 'SIGKILL')).toThrow('forecaster does not run now (held)');
    await local.restart('forecaster');
    expect(serviceOf(local, 'forecaster').state).toBe('ready');
    expect(() => local.kill('nobody', 'SIGKILL')).toThrow('there is no service "nobody"');
  }, MINUTE);

  it('outlives the death of NATS, which comes back on its port with its data', async () => {
    const { pid } = local.servers.find(({ name }) => name === 'nats-server')!;
    local.kill('nats-server', 'SIGKILL');
    await until('NATS runs again', async () => local.servers.some(({ name, pid: now }) => name === 'nats-server' && now !== undefined && now !== pid), MINUTE);
    expect(await registeredDevices(local.natsUrl)).toHaveLength(local.devices.length);
    await until('every service is ready again', async () => (await Promise.all(local.services.map(async ({ adminUrl }) => adminUrl !== undefined && isReady(adminUrl)))).every(Boolean), MINUTE);
  }, 2 * MINUTE);

  it('ends in order with nothing left, a stopped service included, and resumes what the folder holds', async () => {
    const tree = await descendantsOf(process.pid);
    const ours = tree.filter(({ command }) => /apps\/\w|nats-server|redis-server|server-keeper/.test(command));
    expect(ours.length).toBeGreaterThanOrEqual(SERVICES.length + 3);
    local.kill('dependency-graph', 'SIGSTOP');
    await local.stop();
    expect(await leftOf(ours, GONE_WITHIN_MS)).toEqual([]);
    expect(await readEndpoint(folder.path)).toBeUndefined();

    const resumedLines: string[] = [];
    const [device] = local.devices;
    local = await started({ dataDir: folder.path, devices: [{ ...device!, cpuCores: 0.25 }], onLine: (line) => resumedLines.push(line) });
    expect(resumedLines[0]).toBe(`data folder ${folder.path} (resumed)`);
    expect(await registeredDevices(local.natsUrl)).toEqual([{ ...device!, cpuCores: 0.25 }]);
    await local.stop();
  }, 3 * MINUTE);
});

describe('a start that cannot succeed', () => {
  const ours = async (): Promise<SeenProcess[]> => (await descendantsOf(process.pid)).filter(({ command }) => /apps\/\w|nats-server|redis-server/.test(command));

  it('leaves nothing when a service refuses its configuration, and says why', async () => {
    const lines: string[] = [];
    const start = startLocal({ once: true, env: { forecaster: { GODWIT_NO_SUCH_THING: '1' } }, onLine: (line) => lines.push(line) });
    await expect(start).rejects.toMatchObject({ code: 'internal', message: expect.stringMatching(/^forecaster ended at once \(exit code 2\): .*GODWIT_NO_SUCH_THING/) });
    expect(await leftOf(await ours(), GONE_WITHIN_MS)).toEqual([]);
    const temporary = /data folder (\S+) \(temporary\)/.exec(lines[0]!)![1]!;
    await expect(access(temporary)).rejects.toMatchObject({ code: 'ENOENT' });
  }, 2 * MINUTE);

  it('leaves nothing when it is cut short', async () => {
    const control = new AbortController();
    const start = startLocal({ once: true, signal: control.signal, onLine: (line) => void (line.startsWith('migration-controller ready') && control.abort()) });
    await expect(start).rejects.toHaveProperty('message'); // which one depends on what was under way
    expect(await leftOf(await ours(), GONE_WITHIN_MS)).toEqual([]);
  }, 2 * MINUTE);

  it('refuses a NATS that may lose what it acknowledged, in one line', async () => {
    await using nats = await startTestNats();
    const before = process.env['NATS_URL'];
    process.env['NATS_URL'] = nats.url;
    try {
      const refusal = await startLocal({ once: true });
      expect(refusal).toMatchObject({ refused: true, code: 'unsafe-durability', reason: expect.stringContaining('--unsafe-durability') });
    } finally {
      if (before === undefined) delete process.env['NATS_URL'];
      else process.env['NATS_URL'] = before;
    }
  }, MINUTE);
});
