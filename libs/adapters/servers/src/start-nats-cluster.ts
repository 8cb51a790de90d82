/** Several NATS servers on the loopback as one cluster, ready for replicated streams. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationError } from '@godwit/kernel';
import { fetchMonitor } from './nats-durability.js';
import type { StartableServer } from './resolved-server.js';
import { freePort, READY_TIMEOUT_MS } from './running-server.js';
import { startNats, type RunningNats, type StartNatsOptions } from './start-nats.js';

export interface StartNatsClusterOptions {
  readonly server: StartableServer;
  /** Each server gets the folder `<dataDir>/<index>` and the log `<dataDir>/<index>.log`. */
  readonly dataDir: string;
  /** Default 3. */
  readonly servers?: number;
}

export interface RunningNatsCluster extends AsyncDisposable {
  /** By index; `restart` replaces the entry. */
  readonly servers: readonly RunningNats[];
  /** Addresses of all servers, separated by commas. */
  readonly url: string;
  /** Index of the server that leads the JetStream metadata group. */
  metaLeader(): Promise<number>;
  /** Starts server `index` again on its data and ports; call it after that server ended. */
  restart(index: number): Promise<RunningNats>;
  stop(): Promise<void>;
}

const POLL_MS = 50;

/** @throws OperationError when a server does not become ready, or no leader is found in time; none is left running then. */
export async function startNatsCluster(options: StartNatsClusterOptions): Promise<RunningNatsCluster> {
  const count = options.servers ?? 3;
  const routePorts: number[] = [];
  while (routePorts.length < count) {
    const port = await freePort();
    if (!routePorts.includes(port)) routePorts.push(port);
  }
  const settings = routePorts.map((routePort, index): StartNatsOptions => ({
    server: options.server, dataDir: join(options.dataDir, String(index)), logFile: join(options.dataDir, `${index}.log`),
    cluster: { name: 'godwit', serverName: serverName(index), routePort, routePorts },
  }));
  const starts = await Promise.allSettled(settings.map((setting) => startNats(setting)));
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(servers.map((server) => server.stop())));
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    await waitForPeers(servers);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    servers, stop, [Symbol.asyncDispose]: stop,
    get url() { return servers.map((server) => server.url).join(','); },
    metaLeader: () => waitForMetaLeader(servers),
    restart: async (index) => {
      const { port, monitorPort } = servers[index]!;
      return (servers[index] = await startNats({ ...settings[index]!, port, monitorPort }));
    },
  };
}

/** The JetStream metadata group as one server sees it. */
interface MetaGroup {
  readonly leader: string | undefined;
  /** Whether the server itself leads. */
  readonly leads: boolean;
  /** How many others follow it closely; known to the leader only. */
  readonly followers: number;
}

const serverName = (index: number): string => `godwit-${index}`;

/** The leader that a majority of the servers names, itself included: after a crash the others name the old one for a while. */
const waitForMetaLeader = (servers: readonly RunningNats[]): Promise<number> => poll(servers, 'agreed JetStream leader', (groups) => {
  const index = groups.findIndex(({ leads }, i) => leads && groups.filter((group) => group.leader === serverName(i)).length * 2 > groups.length);
  return index < 0 ? undefined : index;
});

/** Waits until every server follows the leader: only then can a replicated stream be placed on all of them. */
const waitForPeers = (servers: readonly RunningNats[]): Promise<true> => poll(servers, 'complete JetStream group', (groups) =>
  groups.some(({ leads, followers }) => leads && followers === servers.length - 1) ? true : undefined);

async function poll<Value>(servers: readonly RunningNats[], wanted: string, decide: (groups: readonly MetaGroup[]) => Value | undefined): Promise<Value> {
  const giveUpAtMs = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < giveUpAtMs) {
    const value = decide(await Promise.all(servers.map(metaGroup)));
    if (value !== undefined) return value;
    await delay(POLL_MS);
  }
  throw new OperationError('timeout', `no ${wanted} among ${servers.length} servers within ${READY_TIMEOUT_MS / 1000} s`, { effect: 'none' });
}

async function metaGroup(server: RunningNats, index: number): Promise<MetaGroup> {
  // A server that is down has no say; `poll` ends in time if too many are.
  const document = await fetchMonitor(server.monitorUrl, 'jsz').catch(() => undefined);
  const meta = (document as { meta_cluster?: { leader?: unknown; replicas?: unknown } } | null | undefined)?.meta_cluster;
  const replicas = (Array.isArray(meta?.replicas) ? meta.replicas : []) as readonly { current?: unknown; offline?: unknown }[];
  const followers = replicas.filter((replica) => replica.current === true && replica.offline !== true).length;
  const leader = typeof meta?.leader === 'string' ? meta.leader : undefined;
  return { leader, leads: leader === serverName(index), followers };
}
