/** NATS and Redis for one machine: those that run already where the environment names them, else servers of our own. */
import { join } from 'node:path';
import { isRefusal, type Refusal } from '@godwit/kernel';
import { checkNatsDurability, resolveNats, resolveRedis, startNats, startRedis, type RunningNats, type RunningServer } from '@godwit/servers';
import { describeEnd, type Instance } from './instance.js';
import { Supervised } from './supervised.js';

export interface ServerPlaces {
  readonly toolsDir: string;
  readonly dataDir: string;
  readonly logsDir: string;
}
/** A server as the services see it. */
export interface LocalServer {
  readonly url: string;
  readonly monitorUrl?: string;
}
export interface ServerOptions {
  readonly env: Env;
  /** Told which link of the chain answered, and when the server dies or comes back. */
  readonly onLine: (line: string) => void;
  /** Gets the server's supervisor before the first start; not called for a server that runs elsewhere. */
  readonly keep: (supervised: Supervised<Instance>) => void;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Starts a server; later it comes back on the port that it had, since the services know that one. */
async function startSupervised<Running extends RunningServer>(name: string, start: (before: Running | undefined) => Promise<Running>, { onLine, keep }: ServerOptions): Promise<Running> {
  let running: Running | undefined;
  const supervised = new Supervised<Instance>(name, async (_before, signal) => {
    signal.throwIfAborted();
    const started = await start(running);
    running = started;
    if (signal.aborted) await started.stop();
    const ended = started.ended.then(({ exitCode, signal: by }) => describeEnd(exitCode, by));
    // The keeper of the servers has its own time of grace, 10 s.
    return { pid: started.pid, ended, kill: (by) => started.kill(by), stop: () => started.stop() };
  }, onLine);
  keep(supervised);
  await supervised.start();
  return running!;
}

/** @throws OperationError `server-missing`, `server-too-old`, `invalid-field`, `connection-lost`. */
export async function startNatsServer(places: ServerPlaces, options: ServerOptions & { readonly unsafeDurability: boolean }): Promise<LocalServer | Refusal> {
  const { env, onLine } = options;
  const server = await resolveNats({ toolsDir: places.toolsDir, env, onProgress: onLine });
  if (server.kind === 'url') {
    const monitorUrl = env['NATS_MONITOR_URL'];
    return durable({ url: server.url, ...(monitorUrl ? { monitorUrl } : {}) }, options.unsafeDurability);
  }
  const { url, monitorUrl } = await startSupervised('nats-server', (before: RunningNats | undefined) => startNats({
    server, dataDir: join(places.dataDir, 'nats'), logFile: join(places.logsDir, 'nats-server.log'), ...(before ? { port: before.port, monitorPort: before.monitorPort } : {}),
  }), options);
  return durable({ url, monitorUrl }, options.unsafeDurability);
}

async function durable(server: LocalServer, unsafeDurability: boolean): Promise<LocalServer | Refusal> {
  if (unsafeDurability) return server;
  const { url, monitorUrl } = server;
  const durability = await checkNatsDurability({ url, ...(monitorUrl ? { monitorUrl } : {}) });
  return isRefusal(durability) ? durability : server;
}

/** @throws OperationError `server-missing`, `server-too-old`, `invalid-field`. */
export async function startRedisServer(places: ServerPlaces, options: ServerOptions): Promise<LocalServer> {
  const server = await resolveRedis({ toolsDir: places.toolsDir, env: options.env, onProgress: options.onLine });
  if (server.kind === 'url') return { url: server.url };
  const { url } = await startSupervised('redis-server', (before: RunningServer | undefined) => startRedis({
    server, dataDir: join(places.dataDir, 'redis'), logFile: join(places.logsDir, 'redis-server.log'), ...(before ? { port: before.port } : {}),
  }), options);
  return { url };
}
