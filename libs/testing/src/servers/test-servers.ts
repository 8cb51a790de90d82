/** Real servers for specs: own port, own folder, `await using`. */
import { join } from 'node:path';
import {
  startNats, startNatsCluster, startRedis, type RunningNats, type RunningNatsCluster, type RunningServer, type StartNatsOptions, type StartRedisOptions,
} from '@godwit/servers';
import { temporaryFolder, testServer } from './tools.js';

/** A server of one test: the running one, and the way to crash or stop it and start it again on the same data and port. */
export interface TestServer<Running extends RunningServer> extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** The server that runs now. */
  readonly running: Running;
  readonly dataDir: string;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
  /** Ends it by `signal` (default SIGTERM) if it still runs, waits for its end, and starts it again. */
  restart(signal?: NodeJS.Signals): Promise<void>;
}

export interface TestNats extends TestServer<RunningNats> {
  readonly monitorUrl: string;
}
export type TestRedis = TestServer<RunningServer>;

/** A `nats-server` with JetStream that syncs always. */
export async function startTestNats(options: Pick<StartNatsOptions, 'jetstreamMaxBytes' | 'extraConfiguration'> = {}): Promise<TestNats> {
  const server = await testServer('nats');
  const test = await startTestServer('nats', (folder, before: RunningNats | undefined) => startNats({
    ...options, server, ...folder, ...(before === undefined ? {} : { port: before.port, monitorPort: before.monitorPort }),
  }));
  return Object.defineProperty(test, 'monitorUrl', { get: () => test.running.monitorUrl }) as TestNats;
}

/** A `redis-server` with an append-only file. */
export async function startTestRedis(options: Pick<StartRedisOptions, 'appendfsync'> = {}): Promise<TestRedis> {
  const server = await testServer('redis');
  return startTestServer('redis', (folder, before: RunningServer | undefined) => startRedis({
    ...options, server, ...folder, ...(before === undefined ? {} : { port: before.port }),
  }));
}

/** Three `nats-server`s, ready for streams with three replicas. */
export async function startTestNatsCluster(servers = 3): Promise<RunningNatsCluster> {
  const server = await testServer('nats');
  const folder = await temporaryFolder('nats-cluster');
  try {
    const cluster = await startNatsCluster({ server, dataDir: folder.path, servers });
    return Object.assign(cluster, {
      [Symbol.asyncDispose]: async () => {
        await cluster.stop();
        await folder.remove();
      },
    });
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startTestServer<Running extends RunningServer>(
  name: string, start: (folder: { dataDir: string; logFile: string }, before: Running | undefined) => Promise<Running>,
): Promise<TestServer<Running>> {
  const folder = await temporaryFolder(name);
  const places = { dataDir: join(folder.path, 'data'), logFile: join(folder.path, 'server.log') };
  let running: Running;
  try {
    running = await start(places, undefined);
  } catch (error) {
    await folder.remove();
    throw error;
  }
  return {
    get url() { return running.url; },
    get pid() { return running.pid; },
    get running() { return running; },
    dataDir: places.dataDir,
    kill: (signal) => running.kill(signal),
    stop: () => running.stop(),
    restart: async (signal = 'SIGTERM') => {
      if (signal === 'SIGTERM') await running.stop();
      else running.kill(signal);
      await running.ended;
      running = await start(places, running);
    },
    [Symbol.asyncDispose]: async () => {
      await running.stop();
      await folder.remove();
    },
  };
}
