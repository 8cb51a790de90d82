import { access } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { checkNatsDurability } from '@godwit/servers';
import { startTestNats, startTestNatsCluster, startTestRedis } from './index.js';

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
};

const existsNot = (path: string): Promise<boolean> => access(path).then(() => false, () => true);

/** Sends inline commands to Redis and gives all that it answers. */
function redis(url: string, ...commands: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) }, () => socket.write([...commands, 'QUIT', ''].join('\r\n')));
    socket.on('data', (chunk) => (text += chunk.toString())).once('error', reject).once('close', () => resolve(text));
  });
}

/** A client that is closed at the end of its test, also of one that fails. */
async function client(options: NodeConnectionOptions) {
  const connection = await connect(options);
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}

const STREAM_LEADER_WITHIN_MS = 20_000;

/** Reads a message once the stream has a leader: that is another election than the one of the metadata group. */
async function readEventually(connection: NatsConnection, stream: string, seq: number): Promise<string | undefined> {
  const giveUpAtMs = performance.now() + STREAM_LEADER_WITHIN_MS;
  for (;;) {
    try {
      const manager = await jetstreamManager(connection, { timeout: 1_000 });
      return (await manager.streams.getMessage(stream, { seq }))?.string();
    } catch (error) {
      // Without a leader nobody answers; anything else is a failure.
      if (!(error instanceof errors.TimeoutError) || performance.now() > giveUpAtMs) throw error;
    }
  }
}

describe('a test’s own NATS', () => {
  it('keeps an acknowledged message through kill -9 and a restart on the same port', async () => {
    await using nats = await startTestNats();
    await using first = await client({ servers: nats.url });
    await (await jetstreamManager(first)).streams.add({ name: 'S', subjects: ['s.>'] });
    await jetstream(first).publish('s.one', 'kept');
    await first.close();
    const urlBefore = nats.url;

    await nats.restart('SIGKILL');

    expect(nats.url).toBe(urlBefore);
    await using second = await client({ servers: nats.url });
    const message = await (await jetstreamManager(second)).streams.getMessage('S', { seq: 1 });
    expect(message?.string()).toBe('kept');
  });

  it('syncs always, and says so', async () => {
    await using nats = await startTestNats();
    expect(await checkNatsDurability({ monitorUrl: nats.monitorUrl })).toMatchObject({ syncAlways: true });
  });

  it('takes payloads of 8 MiB', async () => {
    await using nats = await startTestNats();
    await using connection = await client({ servers: nats.url });
    expect(connection.info?.max_payload).toBe(8 * 1024 * 1024);
  });

  it('is gone, with its files, when disposed', async () => {
    const nats = await startTestNats();
    const { pid, dataDir } = nats;
    expect(isRunning(pid)).toBe(true);
    await nats[Symbol.asyncDispose]();
    expect(isRunning(pid)).toBe(false);
    expect(await existsNot(dataDir)).toBe(true);
  });

  it('runs beside another one', async () => {
    await using one = await startTestNats();
    await using two = await startTestNats();
    expect(one.url).not.toBe(two.url);
  });

  it('ends also when it is stopped by SIGSTOP first', async () => {
    const nats = await startTestNats();
    nats.kill('SIGSTOP');
    await nats[Symbol.asyncDispose]();
    expect(isRunning(nats.pid)).toBe(false);
  });
});

describe('a test’s own Redis', () => {
  it('keeps its data through a restart on the same port', async () => {
    await using server = await startTestRedis({ appendfsync: 'always' });
    expect(await redis(server.url, 'SET key value')).toContain('+OK');
    await server.restart('SIGKILL');
    expect(await redis(server.url, 'GET key')).toContain('value');
  });

  it('syncs its append-only file as asked, and saves no snapshots', async () => {
    await using server = await startTestRedis();
    const answer = await redis(server.url, 'CONFIG GET appendonly', 'CONFIG GET appendfsync', 'CONFIG GET save');
    expect(answer.replaceAll(/\r\n/g, ' ')).toMatch(/appendonly \$3 yes .*appendfsync \$8 everysec .*save \$0  /);
  });
});

describe('a test’s own NATS cluster', () => {
  it('takes a stream of three replicas, and keeps it when the leader of the group is killed', async () => {
    await using cluster = await startTestNatsCluster();
    await using connection = await client({ servers: cluster.url.split(','), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await jetstreamManager(connection);
    const info = await manager.streams.add({ name: 'R', subjects: ['r.>'], num_replicas: 3 });
    expect(info.cluster?.replicas?.length).toBe(2);
    await jetstream(connection).publish('r.one', 'kept');

    const leader = await cluster.metaLeader();
    cluster.servers[leader]!.kill('SIGKILL');
    await cluster.servers[leader]!.ended;
    await cluster.restart(leader);
    await cluster.metaLeader();

    await using again = await client({ servers: cluster.url.split(',') });
    expect(await readEventually(again, 'R', 1)).toBe('kept');
  });
});
