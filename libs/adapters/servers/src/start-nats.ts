/** Starts `nats-server` with the durability that the journal needs: nothing is acknowledged before the disk has it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StartableServer } from './resolved-server.js';
import { launch, whenReady, type RunningServer } from './running-server.js';

/** One server's place in a cluster; all servers name all routes. */
export interface NatsClusterPlace {
  /** Name of the cluster. */
  readonly name: string;
  readonly serverName: string;
  readonly routePort: number;
  /** Route ports of all servers of the cluster, this one included. */
  readonly routePorts: readonly number[];
}

export interface StartNatsOptions {
  readonly server: StartableServer;
  /** Absolute; made if missing. Holds the streams and the configuration file. */
  readonly dataDir: string;
  readonly logFile: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default, and at 0 or below: a free one that the server picks itself. */
  readonly port?: number;
  /** Port of the monitoring endpoint; default: a free one. */
  readonly monitorPort?: number;
  /** Most bytes that streams may take on disk; default: what the server decides from the free space. */
  readonly jetstreamMaxBytes?: number;
  readonly cluster?: NatsClusterPlace;
  /** Further lines for the configuration file, such as accounts and permissions. */
  readonly extraConfiguration?: string;
}

export interface RunningNats extends RunningServer {
  /** As in `http://127.0.0.1:41235`. */
  readonly monitorUrl: string;
  readonly monitorPort: number;
}

export const NATS_MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** The configuration file. MQTT, WebSocket and leaf nodes stay off: they are not needed and were often the way in. */
export function natsConfiguration(options: Pick<StartNatsOptions, 'dataDir' | 'jetstreamMaxBytes' | 'cluster' | 'extraConfiguration'>): string {
  const { dataDir, jetstreamMaxBytes, cluster, extraConfiguration } = options;
  const lines = [
    `max_payload: ${NATS_MAX_PAYLOAD_BYTES}`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(join(dataDir, 'jetstream'))}`,
    '  sync_interval: always',
    ...(jetstreamMaxBytes === undefined ? [] : [`  max_file_store: ${jetstreamMaxBytes}`]),
    '}',
  ];
  if (cluster !== undefined) {
    const routes = cluster.routePorts.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
    lines.push(`server_name: ${JSON.stringify(cluster.serverName)}`,
      `cluster { name: ${JSON.stringify(cluster.name)}, listen: "127.0.0.1:${cluster.routePort}", routes: [${routes}] }`);
  }
  if (extraConfiguration !== undefined) lines.push(extraConfiguration);
  return `${lines.join('\n')}\n`;
}

/** @throws OperationError `server-missing` with the server's last log lines when it does not become ready. */
export async function startNats(options: StartNatsOptions): Promise<RunningNats> {
  const { server, dataDir, logFile, host = '127.0.0.1' } = options;
  await mkdir(dataDir, { recursive: true });
  const configFile = join(dataDir, 'nats-server.conf');
  await writeFile(configFile, natsConfiguration(options), { mode: 0o600 });
  const portsDir = await mkdtemp(join(tmpdir(), 'godwit-ports-'));
  try {
    const kept = await launch({
      server, name: 'nats-server', logFile, cwd: dataDir, folders: [dataDir, portsDir],
      args: ['-c', configFile, '-a', host, '-p', portArgument(options.port), '-m', portArgument(options.monitorPort), '--ports_file_dir', portsDir],
    });
    const addresses = await whenReady(kept, { name: 'nats-server', logFile, probe: () => readyAddresses(portsDir, options.cluster !== undefined) });
    return {
      ...addresses, logFile, pid: kept.pid, ended: kept.ended, stop: kept.stop, kill: kept.kill,
      port: Number(new URL(addresses.url).port), monitorPort: Number(new URL(addresses.monitorUrl).port),
      [Symbol.asyncDispose]: kept.stop,
    };
  } finally {
    await rm(portsDir, { recursive: true, force: true });
  }
}

const portArgument = (port: number | undefined): string => (port !== undefined && port > 0 ? String(port) : '-1');

interface Addresses {
  readonly url: string;
  readonly monitorUrl: string;
}

/** The addresses that the server wrote, once JetStream answers too. A server of a cluster is ready without the others. */
async function readyAddresses(portsDir: string, inCluster: boolean): Promise<Addresses | undefined> {
  const name = (await readdir(portsDir)).find((entry) => entry.endsWith('.ports'));
  if (name === undefined) return undefined;
  const addresses = parsePortsFile(await readFile(join(portsDir, name), 'utf8'));
  if (addresses === undefined || inCluster) return addresses;
  return (await answersOk(`${addresses.monitorUrl}/healthz`)) ? addresses : undefined;
}

/** Reads `{"nats":["nats://…"],"monitoring":["http://…"]}`; undefined while the server is still writing it. */
export function parsePortsFile(text: string): Addresses | undefined {
  const url = /"nats":\s*\[\s*"([^"]+)"/.exec(text)?.[1];
  const monitorUrl = /"monitoring":\s*\[\s*"([^"]+)"/.exec(text)?.[1];
  return url === undefined || monitorUrl === undefined || !text.trimEnd().endsWith('}') ? undefined : { url, monitorUrl };
}

const PROBE_TIMEOUT_MS = 2_000;

const answersOk = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) }).then((response) => response.ok, () => false);
