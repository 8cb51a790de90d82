/**
 * One whole Godwit as real processes: a broker and a Redis of its own, the services, three agents on hosts of their own
 * where the machine permits; and the handles by which faults are made. The controller speaks to the broker through the
 * phase door.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isRefusal, OperationError, type DeviceId, type Sha256, type ShardId, type ThreadId } from '@godwit/kernel';
import type { Journal, OwnRecord, Stored, ThreadAddress } from '@godwit/journal';
import { startLocal, repositoryRoot, type LocalGodwit } from '@godwit/local';
import { connectNats, natsJournal, openPrograms, type NatsLink } from '@godwit/nats';
import type { DeviceSpec } from '@godwit/registry';
import { startRedis, type RunningServer } from '@godwit/servers';
import { descendantsOf } from '@godwit/testing/process-tree';
import { testServer } from '@godwit/testing/servers';
import { agentStatusCodec, migrateReplyCodec, migrateRequestCodec, SUBJECTS, type AgentStatus } from '@godwit/wire';
import { Redis } from 'ioredis';
import { Broker } from './broker.js';
import { LEDGER_TASK, type LedgerRuntime } from './ledger.js';
import type { Network } from './network.js';
import { PhaseDoor } from './phase-door.js';
import { until } from './until.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
export const DEVICES = ['d1', 'd2', 'd3'] as const;
export const SHARD = 'chaos' as ShardId;
const AGENT_DISK = '12m';
const HOUR_MS = 3_600_000;
const READY_MS = 60_000;

const deviceSpec = (device: string): DeviceSpec => ({
  device: device as DeviceId, kind: 'cpu', cpuCores: 0.4, memoryBytes: 512 * MIB, place: { pop: 'chaos', rack: 'r1', subnet: '10.77.0.0/24' }, numaNodes: 1,
  runtimes: ['wasm', 'task'], labels: {}, pricePerHour: 0.05, idleWatts: 5, busyWatts: 12,
});
export const agentOf = (device: string): string => `agent-${device}`;

export interface RigOptions {
  readonly folder: string;
  readonly network: Network;
  readonly say: (line: string) => void;
}

export class Rig {
  /** Registrations that had no verdict when the gateway gave up waiting, and were sent again. */
  lateVerdicts = 0;

  private constructor(
    readonly options: RigOptions, readonly broker: Broker, private redis: RunningServer, readonly door: PhaseDoor, readonly local: LocalGodwit,
    readonly link: NatsLink, readonly journal: Journal, private readonly programs: Readonly<Record<LedgerRuntime, Sha256>>,
  ) {}

  static async start(options: RigOptions): Promise<Rig> {
    const { folder, network, say } = options;
    const logs = join(folder, 'server-logs');
    await mkdir(logs, { recursive: true });
    const broker = await Broker.start({ folder, host: network.hub, logFile: join(logs, 'nats.log'), image: network.missing === undefined });
    const redis = await startRedis({ server: await testServer('redis'), dataDir: join(folder, 'redis'), logFile: join(logs, 'redis.log') });
    await openToHosts(redis, network);
    const door = await PhaseDoor.open({ host: network.hub, port: broker.port });
    await agentDisks(folder, network);
    Object.assign(process.env, { NATS_URL: broker.url, NATS_MONITOR_URL: broker.monitorUrl, REDIS_URL: redis.url });
    const local = await startLocal({
      dataDir: dataDirOf(folder), policy: 'off', devices: DEVICES.map(deviceSpec), env: environment(folder, network, { doorUrl: door.url, redisPort: redis.port }),
      launchPrefix: (service) => (service.startsWith('agent-') ? network.prefixOf(service.slice('agent-'.length)) : []),
      onLine: (line) => say(`  | ${line}`),
    });
    if (isRefusal(local)) throw new OperationError('internal', local.reason, { effect: 'none' });
    const link = await connectNats({ url: broker.url, name: 'chaos' });
    const programs = await putPrograms(link, folder);
    const rig = new Rig(options, broker, redis, door, local, link, natsJournal(link), programs);
    await rig.post('/v1/applications', { application: SHARD });
    return rig;
  }

  async stop(): Promise<void> {
    await this.link.close();
    await this.local.stop({ force: true });
    await this.door.close();
    await this.redis.stop();
    await this.broker.stop();
  }

  // --- threads ---

  async addThread(thread: string, runtime: LedgerRuntime): Promise<ThreadAddress> {
    await this.post('/v1/threads', { thread, application: SHARD, runtime, programSha256: this.programs[runtime], checkpointMs: 1_000, limits: { memoryBytes: 16 * MIB } });
    return { shard: SHARD, thread: thread as ThreadId };
  }
  async removeThread(thread: string): Promise<void> {
    await this.register('DELETE', `/v1/threads/${thread}`);
  }
  private async post(path: string, body: object): Promise<void> {
    await this.register('POST', path, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }
  /** Asked again while the answer is "not now": the same registration twice is one. A removal may have been done meanwhile. */
  private async register(method: 'POST' | 'DELETE', path: string, more: RequestInit = {}): Promise<void> {
    let asked = 0;
    await until(`${method} ${path}`, READY_MS, async () => {
      const response = await fetch(new URL(path, this.local.url), { method, ...more });
      const text = await response.text();
      if (response.ok || (method === 'DELETE' && asked > 0 && response.status === 404)) return true;
      if (response.status < 500) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      asked++;
      this.lateVerdicts++;
      return false;
    });
  }

  /** The newest owner record; undefined as long as there is none or the broker does not answer. */
  async own(at: ThreadAddress): Promise<Stored<OwnRecord> | undefined> {
    try {
      return await this.journal.newestOwn(at);
    } catch (error) {
      if (error instanceof OperationError) return undefined;
      throw error;
    }
  }

  /** Asks for a move until the controller takes it up or says why not for good. */
  async move(thread: string, target: string, signal: AbortSignal): Promise<void> {
    const request = migrateRequestCodec.encode({ thread: thread as ThreadId, target: target as DeviceId, note: 'by the rig', force: true });
    await until(`move of ${thread} to ${target} accepted`, READY_MS, async () => {
      if (signal.aborted) return true;
      try {
        const reply = migrateReplyCodec.decode((await this.link.nc.request(SUBJECTS.migrate, request, { timeout: 5_000 })).data);
        if (!isRefusal(reply) && reply.migration !== undefined) return true;
        if (isRefusal(reply) || reply.code !== 'conflict') this.options.say(`  | move of ${thread} to ${target}: ${reply.reason}`);
      } catch (error) {
        // The controller is away for the moment, or its answer is held.
        if (!signal.aborted) this.options.say(`  | move of ${thread} to ${target}: ${(error as Error).message}`);
      }
      return false;
    });
  }

  async status(device: string): Promise<AgentStatus | undefined> {
    try {
      const status = agentStatusCodec.decode((await this.link.nc.request(SUBJECTS.agentCommand(device, 'status'), new Uint8Array(0), { timeout: 1_000 })).data);
      return isRefusal(status) ? undefined : status;
    } catch (error) {
      this.options.say(`  | status of ${device}: ${(error as Error).message}`);
      return undefined;
    }
  }

  // --- handles for faults ---

  pidOf(service: string): number {
    const pid = this.local.services.find(({ name }) => name === service)?.pid;
    if (pid === undefined) throw new Error(`${service} does not run`);
    return pid;
  }

  /** Pids of the runners that the device's agent has now, the newest last. */
  async runnersOf(device: string): Promise<number[]> {
    const children = await descendantsOf(this.pidOf(agentOf(device)));
    return children.filter(({ command }) => command.includes('runner')).sort((a, b) => Number(a.startTicks) - Number(b.startTicks)).map(({ pid }) => pid);
  }

  async killRedis(): Promise<void> {
    this.redis.kill('SIGKILL');
    await this.redis.ended;
    this.redis = await startRedis({ server: await testServer('redis'), dataDir: join(this.options.folder, 'redis'), logFile: this.redis.logFile, port: this.redis.port });
    await openToHosts(this.redis, this.options.network);
  }
  async emptyRedis(): Promise<void> {
    await withRedis(this.redis.url, async (redis) => void (await redis.flushall()));
  }

  private fillerOf(device: string): string {
    return join(dataDirOf(this.options.folder), 'agents', device, 'filler');
  }
  /** Until not one more byte fits on the disk of the device's agent. */
  async fillDisk(device: string): Promise<void> {
    const full = await run('dd', ['if=/dev/zero', `of=${this.fillerOf(device)}`, 'bs=4096']).catch((error: { stderr?: string }) => error.stderr ?? '');
    if (typeof full !== 'string' || !/No space left/.test(full)) throw new Error(`the disk of ${device} did not become full: ${JSON.stringify(full)}`);
  }
  async freeDisk(device: string): Promise<void> {
    await rm(this.fillerOf(device), { force: true });
  }

  /** Lets the service's wall clock jump; 0 puts it right. */
  async shiftClock(service: string, shiftMs: number): Promise<void> {
    await writeFile(clockFile(this.options.folder, service), String(shiftMs));
    process.kill(this.pidOf(service), 'SIGUSR2');
  }

  /** Resolves when everything runs and answers again. @throws Error that names what does not. */
  async whenReady(): Promise<void> {
    const notReady = new Set<string>();
    const look = async (): Promise<boolean> => {
      notReady.clear();
      for (const { name, state, adminUrl } of this.local.services) {
        const isReady = state === 'ready' && adminUrl !== undefined && (await fetch(new URL('/readyz', adminUrl), { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok, () => false));
        if (!isReady) notReady.add(name);
      }
      return notReady.size === 0;
    };
    await until('everything runs again', READY_MS, look).catch((error: Error) => {
      throw new Error(`${error.message}; not ready: ${[...notReady].join(', ')}`);
    });
  }

  /** Lines of the services' logs that hold an alarm. */
  async alarms(service: string): Promise<string[]> {
    const text = await readFile(join(this.local.logsDir, `${service}.log`), 'utf8');
    return text.split('\n').filter((line) => /"level":(60|"fatal")/.test(line));
  }
}

const dataDirOf = (folder: string): string => join(folder, 'data');
const clockFile = (folder: string, service: string): string => join(folder, `clock-${service}`);

/** Redis takes connections from the loopback only; inside the run's own network the agents may reach it too. */
async function openToHosts(redis: RunningServer, network: Network): Promise<void> {
  if (network.missing !== undefined) return;
  await withRedis(redis.url, async (client) => {
    await client.config('SET', 'protected-mode', 'no');
    await client.config('SET', 'bind', `127.0.0.1 ${network.hub}`);
  });
}
async function withRedis(url: string, work: (redis: Redis) => Promise<void>): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 3 });
  try {
    await work(client);
  } finally {
    client.disconnect();
  }
}

/** Small disks of their own, so that one can be full while the machine's is not. */
async function agentDisks(folder: string, network: Network): Promise<void> {
  for (const device of DEVICES) {
    const path = join(dataDirOf(folder), 'agents', device);
    await mkdir(path, { recursive: true });
    if (network.missing === undefined) await run('mount', ['-t', 'tmpfs', '-o', `size=${AGENT_DISK}`, 'tmpfs', path]);
  }
}

function environment(folder: string, network: Network, { doorUrl, redisPort }: { readonly doorUrl: string; readonly redisPort: number }): Record<string, Record<string, string>> {
  const clock = (service: string): Record<string, string> => ({ CHAOS_CLOCK_FILE: clockFile(folder, service), NODE_OPTIONS: `--import ${new URL('../preload/shifted-clock.mjs', import.meta.url).href}` });
  const agent = (device: string): Record<string, string> => ({
    GODWIT_ADMIN_HOST: network.hostOf(device), GODWIT_BULK_HOST: network.hostOf(device), GODWIT_REDIS_URL: `redis://${network.hub}:${redisPort}`,
    // No runner in reserve: each runner of an agent is a thread's.
    GODWIT_ENFORCEMENT: 'duty-cycle', GODWIT_WARM_RUNNERS: '0', ...clock(agentOf(device)),
  });
  return {
    'migration-controller': { GODWIT_NATS_URL: doorUrl, ...clock('migration-controller') },
    // The checkers read the whole journal.
    'state-transfer': { GODWIT_PURGE_MS: String(HOUR_MS), GODWIT_RETRY_HORIZON_MS: String(HOUR_MS) },
    ...Object.fromEntries(DEVICES.map((device) => [agentOf(device), agent(device)])),
  };
}

async function putPrograms(link: NatsLink, folder: string): Promise<Record<LedgerRuntime, Sha256>> {
  const root = repositoryRoot();
  const out = join(folder, 'ledger.wasm');
  await run(process.execPath, [join(root, 'libs/adapters/wasm/scripts/compile-c.mjs'), out, join(root, 'libs/chaos/programs/ledger.c')], { timeout: 120_000 });
  const programs = await openPrograms(link);
  const wasm = await programs.put(await readFile(out));
  return { wasm, task: await programs.put(new TextEncoder().encode(LEDGER_TASK)) };
}
