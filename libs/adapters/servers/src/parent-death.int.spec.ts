/** What becomes of the servers when the process that started them ends otherwise than in order. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestRedis, testServer } from '@godwit/testing';

const ENDED_WITHIN_MS = 10_000;

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'godwit-parent-'));
});
afterEach(() => rm(base, { recursive: true, force: true, maxRetries: 5 }));

/** State letter and parent's pid from proc(5); undefined when there is no such process. */
async function processState(pid: number): Promise<{ state: string; parentPid: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : { state: fields[0]!, parentPid: Number(fields[1]) };
}

async function allEnded(pids: readonly number[]): Promise<boolean> {
  const giveUpAtMs = performance.now() + ENDED_WITHIN_MS;
  while (performance.now() < giveUpAtMs) {
    const states = await Promise.all(pids.map(processState));
    if (states.every((state) => state === undefined)) return true;
    await delay(20);
  }
  return false;
}

/** A process that starts both servers and says so, then what it hears. */
const PARENT = `
import { registerHooks } from 'node:module';
registerHooks({ resolve: (name, context, next) => next(name.startsWith('.') && context.parentURL?.endsWith('.ts') ? name.replace(/\\.js$/, '.ts') : name, context) });
const { startNats, startRedis } = await import(process.env.FRONT_DOOR);
const { nats, redis, base } = JSON.parse(process.env.SETTINGS);
const running = [
  await startNats({ server: nats, dataDir: base + '/nats', logFile: base + '/nats.log' }),
  await startRedis({ server: redis, dataDir: base + '/redis', logFile: base + '/redis.log' }),
];
const healthy = async () => (await fetch(running[0].monitorUrl + '/healthz')).status;
process.on('SIGINT', async () => console.log(JSON.stringify({ healthAfterInterrupt: await healthy() })));
console.log(JSON.stringify({ pids: running.map((server) => server.pid) }));
`;

async function startParent(): Promise<{ parent: ChildProcess; nextLine(): Promise<Record<string, unknown>> }> {
  const [nats, redis] = await Promise.all([testServer('nats'), testServer('redis')]);
  const parent = spawn(process.execPath, ['--conditions=@godwit/source', '--experimental-transform-types', '--input-type=module', '-e', PARENT], {
    detached: true, stdio: ['ignore', 'pipe', 'inherit'], cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, NODE_OPTIONS: '--no-warnings', FRONT_DOOR: new URL('./index.ts', import.meta.url).href, SETTINGS: JSON.stringify({ nats, redis, base }) },
  });
  const lines = createInterface({ input: parent.stdout! })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the parent process ended early');
    return JSON.parse(value) as Record<string, unknown>;
  };
  return { parent, nextLine };
}

describe('servers whose parent process', () => {
  it('is killed by SIGKILL end too', async () => {
    const { parent, nextLine } = await startParent();
    const { pids } = await nextLine() as { pids: number[] };
    expect(await Promise.all(pids.map(processState))).not.toContain(undefined);
    const keeperPid = (await processState(pids[0]!))!.parentPid;

    parent.kill('SIGKILL');

    expect(await allEnded([...pids, keeperPid])).toBe(true);
  });

  it('gets Ctrl-C stay, until that process ends them', async () => {
    const { parent, nextLine } = await startParent();
    const { pids } = await nextLine() as { pids: number[] };

    process.kill(-parent.pid!, 'SIGINT'); // as a terminal does: to the whole group

    expect(await nextLine()).toEqual({ healthAfterInterrupt: 200 });
    expect(await Promise.all(pids.map(processState))).not.toContain(undefined);
    parent.kill('SIGTERM');
    await once(parent, 'exit');
    expect(await allEnded(pids)).toBe(true);
  });
});

describe('servers whose keeper', () => {
  it('is killed are ended by their user’s process', async () => {
    await using redis = await startTestRedis();
    const { pid } = redis;
    process.kill((await processState(pid))!.parentPid, 'SIGKILL');
    await redis.running.ended;
    expect(await allEnded([pid])).toBe(true);
  });
});

describe('a server that cannot start', () => {
  it('fails with its last words', async () => {
    await using first = await startTestRedis();
    const { startRedis } = await import('./index.js');
    const attempt = startRedis({ server: await testServer('redis'), dataDir: join(base, 'redis'), logFile: join(base, 'redis.log'), port: first.running.port });
    await expect(attempt).rejects.toMatchObject({ code: 'server-missing', message: expect.stringContaining('Address already in use') });
  });

  it('fails when there is no such program', async () => {
    const { startNats } = await import('./index.js');
    const server = { kind: 'binary', command: [join(base, 'absent')], env: {}, version: '2.15.1', link: 'spec' } as const;
    await expect(startNats({ server, dataDir: join(base, 'nats'), logFile: join(base, 'nats.log') })).rejects.toThrow(/did not start: .*ENOENT/);
  });
});
