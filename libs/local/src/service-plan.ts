/** Which services one machine runs, and exactly the configuration that each takes: an unknown variable is refused by them. */
import { join } from 'node:path';
import type { DurationMs } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import type { ServiceInstance, ServiceLaunch } from './service-process.js';

export type Policy = 'predictive' | 'reactive' | 'off';
export const POLICIES: readonly Policy[] = ['predictive', 'reactive', 'off'];

/** Further variables, by service: a service's name, `agent` for all agents, `*` for all services. */
export type ServiceEnv = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface PlanInput {
  readonly root: string;
  readonly dataDir: string;
  readonly logsDir: string;
  readonly natsUrl: string;
  readonly natsMonitorUrl?: string;
  readonly redisUrl: string;
  readonly unsafeDurability: boolean;
  readonly policy: Policy;
  readonly horizonMs: DurationMs;
  readonly httpPort: number;
  readonly devices: readonly DeviceSpec[];
  readonly env: ServiceEnv;
  /** The environment of this process; its GODWIT_* variables do not reach the services. */
  readonly processEnv: Readonly<Record<string, string | undefined>>;
  readonly launchPrefix: (service: string) => readonly string[];
}

export interface PlannedService {
  readonly name: string;
  readonly launch: (before: ServiceInstance | undefined) => ServiceLaunch;
}
export interface ServicePlan {
  /** Started first: it makes the streams that the others follow. */
  readonly controller: PlannedService;
  readonly helpers: readonly PlannedService[];
  readonly gateway: PlannedService;
  readonly agents: readonly PlannedService[];
}

export const agentName = (device: string): string => `agent-${device}`;

export function planServices(input: PlanInput): ServicePlan {
  const horizon = { GODWIT_HORIZON_MS: String(input.horizonMs) };
  const service = (name: string, own: Readonly<Record<string, string>>): PlannedService => planned(input, { name, app: name, groups: ['*', name], env: () => own });
  return {
    controller: service('migration-controller', { GODWIT_POLICY: input.policy, ...horizon }),
    helpers: [service('state-transfer', {}), service('forecaster', horizon), service('dependency-graph', {})],
    gateway: planned(input, {
      name: 'gateway', app: 'gateway', groups: ['*', 'gateway'], listens: true,
      // Restarted, it serves where its clients knew it.
      env: (before) => ({ GODWIT_HTTP_PORT: before?.listeningUrl === undefined ? String(input.httpPort) : new URL(before.listeningUrl).port }),
    }),
    agents: input.devices.map((device) => planned(input, {
      name: agentName(device.device), app: 'agent', groups: ['*', 'agent', agentName(device.device)],
      env: () => ({
        GODWIT_DEVICE: device.device, GODWIT_CPU_CORES: String(device.cpuCores), GODWIT_MEMORY_BYTES: String(device.memoryBytes),
        GODWIT_RUNTIMES: device.runtimes.join(','), GODWIT_DATA_DIR: join(input.dataDir, 'agents', device.device),
      }),
    })),
  };
}

interface Wish {
  readonly name: string;
  readonly app: string;
  /** Keys of the caller's further variables, the most special last. */
  readonly groups: readonly string[];
  readonly listens?: boolean;
  readonly env: (before: ServiceInstance | undefined) => Readonly<Record<string, string>>;
}

function planned(input: PlanInput, { name, app, groups, listens = false, env }: Wish): PlannedService {
  const common = {
    GODWIT_NATS_URL: input.natsUrl, GODWIT_REDIS_URL: input.redisUrl, GODWIT_DATA_DIR: input.dataDir,
    ...(input.natsMonitorUrl === undefined ? {} : { GODWIT_NATS_MONITOR_URL: input.natsMonitorUrl }),
    ...(input.unsafeDurability ? { GODWIT_UNSAFE_DURABILITY: 'true' } : {}),
  };
  const further = Object.assign({}, ...groups.map((group) => input.env[group] ?? {})) as Record<string, string>;
  return {
    name,
    launch: (before) => ({
      name, listens, prefix: input.launchPrefix(name), cwd: input.root, entry: join(input.root, 'apps', app, 'dist', 'main.js'), logFile: join(input.logsDir, `${name}.log`),
      env: { ...inherited(input.processEnv), NODE_ENV: 'production', ...common, ...env(before), ...further },
    }),
  };
}

/** What a service gets of our environment: neither our configuration nor our Node's options (a test runner's, say). */
function inherited(env: PlanInput['processEnv']): Record<string, string> {
  const passed = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('GODWIT_') && entry[0] !== 'NODE_OPTIONS');
  return { ...Object.fromEntries(passed), ...(env['GODWIT_LOG_LEVEL'] === undefined ? {} : { GODWIT_LOG_LEVEL: env['GODWIT_LOG_LEVEL'] }) };
}

/** Keys that `env` may have. */
export const serviceEnvKeys = (devices: readonly DeviceSpec[]): string[] =>
  ['*', 'agent', 'migration-controller', 'state-transfer', 'forecaster', 'dependency-graph', 'gateway', ...devices.map(({ device }) => agentName(device))];
