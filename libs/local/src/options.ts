/** What `startLocal` takes, checked. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRefusal, OperationError, refuse, type DurationMs, type Refusal } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import { POLICIES, type Policy, type ServiceEnv } from './service-plan.js';
import { parseDevices } from './devices.js';

export interface LocalOptions {
  /** Default `<repository>/.godwit/data`; relative to the working directory. */
  readonly dataDir?: string;
  /** A fresh data folder, removed at the end. Not together with `dataDir`. */
  readonly once?: boolean;
  /** Default `predictive`. */
  readonly policy?: Policy;
  /** Default: those of the data folder's last start, else three of 0.3, 0.35 and 0.55 cores. */
  readonly devices?: readonly DeviceSpec[];
  /** How far forecasts reach, 1,000 to 600,000 ms. Default 60,000. */
  readonly horizonMs?: DurationMs;
  /** Port of the API; 0, the default, takes any free one. */
  readonly httpPort?: number;
  /** Starts although NATS may acknowledge before the disk has it. */
  readonly unsafeDurability?: boolean;
  readonly env?: ServiceEnv;
  /** Told one line at each step, and when a service dies or comes back. */
  readonly onLine?: (line: string) => void;
  /** Aborted, it cuts the start short: what was started is ended. */
  readonly signal?: AbortSignal;
  /** The repository, which holds the built services. Default: the one of this file. */
  readonly root?: string;
  /** Put before the command of a service, as in `nsenter --net=FILE`: it must become the service, not start it. Default: nothing. */
  readonly launchPrefix?: (service: string) => readonly string[];
}

/** The options that need no look at the world, with their defaults. */
export interface CheckedOptions {
  readonly root: string;
  readonly once: boolean;
  readonly dataDir: string;
  readonly policy: Policy;
  readonly devices: readonly DeviceSpec[] | undefined;
  readonly horizonMs: DurationMs;
  readonly httpPort: number;
  readonly unsafeDurability: boolean;
  readonly env: ServiceEnv;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
  readonly launchPrefix: (service: string) => readonly string[];
}

/** The forecaster's own limits. */
const HORIZON_MS = { least: 1_000, most: 600_000, default: 60_000 } as const;
const MAX_PORT = 65_535;

export function checkOptions(options: LocalOptions): CheckedOptions | Refusal {
  const { once = false, policy = 'predictive', horizonMs = HORIZON_MS.default, httpPort = 0, env = {} } = options;
  if (once && options.dataDir !== undefined) return refuse('invalid-field', 'once: takes a fresh data folder; give either once or dataDir', 'once');
  if (!POLICIES.includes(policy)) return refuse('invalid-field', `policy: must be one of ${POLICIES.join(', ')}`, 'policy');
  if (!(horizonMs >= HORIZON_MS.least && horizonMs <= HORIZON_MS.most)) return refuse('invalid-field', `horizonMs: must be ${HORIZON_MS.least} to ${HORIZON_MS.most}`, 'horizonMs');
  if (!Number.isInteger(httpPort) || httpPort < 0 || httpPort > MAX_PORT) return refuse('invalid-field', `httpPort: must be a whole number from 0 to ${MAX_PORT}`, 'httpPort');
  const devices = options.devices === undefined ? undefined : parseDevices(options.devices);
  if (isRefusal(devices)) return devices;
  const root = options.root ?? repositoryRoot();
  return {
    root, once, policy, horizonMs, httpPort, env, devices, unsafeDurability: options.unsafeDurability ?? false,
    dataDir: options.dataDir === undefined ? join(root, '.godwit', 'data') : resolve(options.dataDir),
    onLine: options.onLine ?? (() => undefined), signal: options.signal ?? new AbortController().signal,
    launchPrefix: options.launchPrefix ?? (() => []),
  };
}

/** The nearest folder upwards whose package is named `godwit`. @throws OperationError `unsupported` when there is none. */
export function repositoryRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (packageName(folder) === 'godwit') return folder;
    if (dirname(folder) === folder) throw new OperationError('unsupported', `no repository of Godwit above ${from}`, { effect: 'none' });
  }
}

function packageName(folder: string): string | undefined {
  try {
    return /"name":\s*"([^"]+)"/.exec(readFileSync(join(folder, 'package.json'), 'utf8'))?.[1];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
