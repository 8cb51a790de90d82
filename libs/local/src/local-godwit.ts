/**
 * All of Godwit on one machine, each service its own process.
 *
 * Invariants:
 *  L1. Whatever happens, nothing stays behind: a failed or aborted start ends what it started; `stop` is bounded; and the
 *      processes end by themselves when this one is gone.
 *  L2. Order of the end: first what gives work (gateway, controller: else it would restore elsewhere the threads of agents
 *      that end), then the agents, which take last checkpoints, then what they need for that, then Redis and NATS.
 *  L3. The data folder is locked as long as anything uses it.
 */
import { access } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import { deviceIds, openDataFolder, readDevices, temporaryDataFolder, writeDevices, writeEndpoint, type DataFolder } from './data-folder.js';
import { DEFAULT_DEVICES, parseDevices } from './devices.js';
import type { Instance } from './instance.js';
import { checkOptions, type CheckedOptions, type LocalOptions } from './options.js';
import { registerDevices } from './register-devices.js';
import { startNatsServer, startRedisServer, type LocalServer } from './servers.js';
import { planServices, serviceEnvKeys, type PlannedService, type ServicePlan } from './service-plan.js';
import { startService, type ServiceInstance } from './service-process.js';
import { Supervised, type SupervisedProcess, type SupervisedState } from './supervised.js';

export interface LocalService {
  /** As in `gateway`, `agent-d-small`. */
  readonly name: string;
  readonly state: SupervisedState;
  /** Undefined while no process runs. */
  readonly pid: number | undefined;
  readonly adminUrl: string | undefined;
}
export interface LocalServerProcess {
  /** `nats-server` or `redis-server`. */
  readonly name: string;
  readonly state: SupervisedState;
  readonly pid: number | undefined;
  readonly url: string;
}

export interface LocalGodwit extends AsyncDisposable {
  /** The API, as in `http://127.0.0.1:41234`. */
  readonly url: string;
  readonly docsUrl: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly dataDir: string;
  readonly logsDir: string;
  readonly devices: readonly DeviceSpec[];
  readonly services: readonly LocalService[];
  /** The servers that this Godwit started itself. */
  readonly servers: readonly LocalServerProcess[];
  /**
   * Sends a signal to a service or server. One that ends is started again at once, or, with `restart: false`, stays away
   * until `restart(name)`. @throws OperationError `not-found`, `conflict` when it does not run now.
   */
  kill(name: string, signal: NodeJS.Signals, options?: { readonly restart?: boolean }): void;
  /** Ends the service in order if it runs, starts it, and resolves when it is ready. @throws OperationError. */
  restart(name: string): Promise<void>;
  /** Ends everything in order; `force` ends it at once, and may be given while an orderly end is under way. */
  stop(options?: { readonly force?: boolean }): Promise<void>;
}

const GRACE_MS = 10_000;

/**
 * Starts NATS and Redis (or takes those that NATS_URL and REDIS_URL name), the services and the devices' agents, and
 * resolves when all are ready. @returns a Refusal for wrong options, a folder in use (`data-locked`, with the pid of who
 * uses it) and a NATS without durability. @throws OperationError when the world fails; nothing is left behind then.
 */
export async function startLocal(options: LocalOptions = {}): Promise<LocalGodwit | Refusal> {
  const checked = checkOptions(options);
  if (isRefusal(checked)) return checked;
  await demandBuild(checked.root);
  const path = checked.once ? await temporaryDataFolder(join(checked.root, '.godwit')) : checked.dataDir;
  const folder = await openDataFolder(path, { temporary: checked.once });
  if (isRefusal(folder)) return folder;
  const local = new Local(checked, folder);
  const cut = (): void => void local.stop();
  checked.signal.addEventListener('abort', cut, { once: true });
  try {
    checked.signal.throwIfAborted();
    const refusal = await local.start();
    if (refusal === undefined) return local;
    await local.stop();
    return refusal;
  } catch (error) {
    await local.stop();
    throw error;
  } finally {
    checked.signal.removeEventListener('abort', cut);
  }
}

async function demandBuild(root: string): Promise<void> {
  const entry = join(root, 'apps', 'gateway', 'dist', 'main.js');
  await access(entry).catch((cause: unknown) => {
    throw new OperationError('unsupported', `the services are not built (${relative(root, entry)} is missing): run "npm run build" first`, { effect: 'none', cause });
  });
}

class Local implements LocalGodwit {
  devices: readonly DeviceSpec[] = [];
  private readonly serversOf = new Map<string, Supervised<Instance>>();
  private readonly servicesOf = new Map<string, Supervised<ServiceInstance>>();
  private nats: LocalServer | undefined;
  private redis: LocalServer | undefined;
  private plan: ServicePlan | undefined;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: CheckedOptions, private readonly folder: DataFolder) {}

  get dataDir(): string { return this.folder.path; }
  get logsDir(): string { return join(this.folder.path, 'logs'); }
  get natsUrl(): string { return this.nats?.url ?? ''; }
  get redisUrl(): string { return this.redis?.url ?? ''; }
  get url(): string { return this.servicesOf.get('gateway')?.newest?.listeningUrl ?? ''; }
  get docsUrl(): string { return new URL('/docs', this.url).href; }
  get services(): readonly LocalService[] {
    return [...this.servicesOf.values()].map(({ name, state, instance }) => ({ name, state, pid: instance?.pid, adminUrl: instance?.adminUrl }));
  }
  get servers(): readonly LocalServerProcess[] {
    return [...this.serversOf.values()].map(({ name, state, instance }) => ({ name, state, pid: instance?.pid, url: name === 'nats-server' ? this.natsUrl : this.redisUrl }));
  }

  /** @returns why not, for what the caller can mend. */
  async start(): Promise<Refusal | undefined> {
    const { onLine, env } = this.options;
    onLine(`data folder ${this.folder.path}${this.options.once ? ' (temporary)' : this.folder.resumed ? ' (resumed)' : ''}`);
    const earlier = await readDevices(this.folder.path);
    const devices = this.options.devices ?? (earlier === undefined ? DEFAULT_DEVICES : parseDevices(earlier));
    if (isRefusal(devices)) return devices;
    this.devices = devices;
    const unknown = Object.keys(env).find((key) => !serviceEnvKeys(devices).includes(key));
    if (unknown !== undefined) return refuse('invalid-field', `env: there is no service ${JSON.stringify(unknown)}; there are ${serviceEnvKeys(devices).join(', ')}`, `env.${unknown}`);
    const refusal = await this.startServers();
    if (refusal) return refusal;
    await this.startServices(deviceIds(earlier ?? []));
    await writeEndpoint(this.folder.path, { url: this.url, natsUrl: this.natsUrl, redisUrl: this.redisUrl, pid: process.pid });
    return undefined;
  }

  private async startServers(): Promise<Refusal | undefined> {
    const { root, onLine, unsafeDurability } = this.options;
    const places = { toolsDir: join(root, '.godwit', 'tools'), dataDir: this.folder.path, logsDir: this.logsDir };
    const keep = (supervised: Supervised<Instance>): void => void this.serversOf.set(supervised.name, supervised);
    const common = { env: process.env, onLine, keep };
    const [nats, redis] = await settled([startNatsServer(places, { ...common, unsafeDurability }), startRedisServer(places, common)]);
    if (isRefusal(nats)) return nats;
    this.nats = nats;
    this.redis = redis;
    onLine(`nats ${nats.url}, redis ${redis.url}`);
    return undefined;
  }

  private async startServices(earlier: ReturnType<typeof deviceIds>): Promise<void> {
    const { root, policy, horizonMs, httpPort, unsafeDurability, env, onLine, signal, launchPrefix } = this.options;
    const plan = planServices({
      root, policy, horizonMs, httpPort, unsafeDurability, env, launchPrefix, devices: this.devices, dataDir: this.folder.path, logsDir: this.logsDir, processEnv: process.env,
      natsUrl: this.natsUrl, redisUrl: this.redisUrl, ...(this.nats?.monitorUrl ? { natsMonitorUrl: this.nats.monitorUrl } : {}),
    });
    this.plan = plan;
    await this.startService(plan.controller);
    const registration = registerDevices({ natsUrl: this.natsUrl, devices: this.devices, earlier, signal });
    const [registered] = await settled([registration, ...[...plan.helpers, ...plan.agents, plan.gateway].map((service) => this.startService(service))]);
    await writeDevices(this.folder.path, this.devices);
    const { known, removed } = registered;
    onLine(`devices ${this.devices.map(({ device, cpuCores }) => `${device} (${cpuCores} cores)`).join(', ')} ${known === this.devices.length ? 'known already' : 'registered'}${removed === 0 ? '' : `, ${removed} removed`}`);
  }

  private async startService({ name, launch }: PlannedService): Promise<void> {
    if (this.stopping) throw new OperationError('conflict', `${name} is not started: Godwit ends`, { effect: 'none' });
    const startedAtMs = performance.now();
    const supervised = new Supervised<ServiceInstance>(name, (before, signal) => startService(launch(before), signal), this.options.onLine);
    this.servicesOf.set(name, supervised);
    await supervised.start();
    this.options.onLine(`${name} ready (pid ${supervised.instance?.pid ?? 'gone'}, ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s)`);
  }

  kill(name: string, signal: NodeJS.Signals, options?: { readonly restart?: boolean }): void {
    this.supervised(name).kill(signal, options);
  }

  async restart(name: string): Promise<void> {
    await this.supervised(name).restart(GRACE_MS);
  }

  private supervised(name: string): SupervisedProcess {
    const found = this.servicesOf.get(name) ?? this.serversOf.get(name);
    if (!found) throw new OperationError('not-found', `there is no service ${JSON.stringify(name)}; there are ${[...this.servicesOf.keys(), ...this.serversOf.keys()].join(', ')}`, { effect: 'none' });
    return found;
  }

  stop({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    if (force) for (const { instance } of [...this.servicesOf.values(), ...this.serversOf.values()]) instance?.kill('SIGKILL');
    this.stopping ??= this.stopInOrder();
    return this.stopping;
  }

  private async stopInOrder(): Promise<void> {
    const { plan } = this;
    const stages = plan === undefined ? [] : [[plan.gateway, plan.controller], plan.agents, plan.helpers];
    for (const stage of stages) {
      await Promise.all(stage.map(async ({ name }) => this.servicesOf.get(name)?.stop(GRACE_MS)));
    }
    await this.serversOf.get('redis-server')?.stop(GRACE_MS);
    await this.serversOf.get('nats-server')?.stop(GRACE_MS);
    await this.folder.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** As Promise.all, but it waits for all of them, so that after a failure nothing is still about to start. */
async function settled<const Values extends readonly Promise<unknown>[]>(promises: Values): Promise<{ -readonly [Index in keyof Values]: Awaited<Values[Index]> }> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as { -readonly [Index in keyof Values]: Awaited<Values[Index]> };
}
