/** The data folder of one machine: its lock, the devices that it belongs to, and the file that tells the CLI where we serve. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isId, isRefusal, OperationError, type DeviceId, type Refusal } from '@godwit/kernel';
import type { DeviceSpec } from '@godwit/registry';
import { lockDataDir } from '@godwit/servers';
import { deviceSpecCodec } from '@godwit/wire';
import { z } from 'zod';

const ONCE_PREFIX = 'once-';
const ENDPOINT_FILE = 'endpoint.json';
const DEVICES_FILE = 'devices.json';
/** A fresh folder may stand unlocked for a moment, between its making and its lock. */
const SETTLED_MS = 60_000;

export interface DataFolder {
  readonly path: string;
  /** True when an earlier run left something in it. */
  readonly resumed: boolean;
  /** Ends the lock; a temporary folder goes with all it holds. */
  release(): Promise<void>;
}

/** Makes (if missing) and locks the folder. @throws OperationError `unsupported` when it cannot be written. */
export async function openDataFolder(path: string, options: { readonly temporary: boolean }): Promise<DataFolder | Refusal> {
  try {
    const before = await readdir(path).catch((): string[] => []);
    const lock = await lockDataDir(path);
    if (isRefusal(lock)) return lock;
    await mkdir(join(path, 'logs'), { recursive: true });
    return {
      path, resumed: before.includes('nats') || before.includes(DEVICES_FILE),
      release: async () => {
        await rm(join(path, ENDPOINT_FILE), { force: true });
        if (options.temporary) await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
        else await lock.release();
      },
    };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EPERM') {
      throw new OperationError('unsupported', `the data folder ${path} cannot be written (${code}): give another one with --data`, { effect: 'none', cause });
    }
    throw cause;
  }
}

/** A fresh folder below `parent`; those that killed runs left there are removed. */
export async function temporaryDataFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  await removeLeftovers(parent);
  const path = await mkdtemp(join(parent, ONCE_PREFIX));
  await chmod(path, 0o755);
  return path;
}

async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (!name.startsWith(ONCE_PREFIX)) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs < SETTLED_MS) continue;
    const lock = await lockDataDir(path);
    if (!isRefusal(lock)) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

const endpointSchema = z.object({ url: z.string(), natsUrl: z.string(), redisUrl: z.string(), pid: z.int().positive() });
/** Where a running Godwit serves, and the process that runs it. */
export type Endpoint = z.infer<typeof endpointSchema>;

export const writeEndpoint = (dataDir: string, endpoint: Endpoint): Promise<void> => replaceFile(join(dataDir, ENDPOINT_FILE), endpoint);

/** The endpoint that the folder names, if the process that wrote it may still run. */
export async function readEndpoint(dataDir: string): Promise<Endpoint | undefined> {
  const parsed = endpointSchema.safeParse(await readJson(join(dataDir, ENDPOINT_FILE)));
  return parsed.success && processLives(parsed.data.pid) ? parsed.data : undefined;
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Devices that belong to the folder: those of its last start. A damaged file is refused, not overlooked. */
export async function readDevices(dataDir: string): Promise<readonly unknown[] | undefined> {
  const given = await readJson(join(dataDir, DEVICES_FILE));
  return Array.isArray(given) ? (given as unknown[]) : undefined;
}
export const writeDevices = (dataDir: string, devices: readonly DeviceSpec[]): Promise<void> =>
  replaceFile(join(dataDir, DEVICES_FILE), devices.map((spec) => deviceSpecCodec.toJson(spec)));

export const deviceIds = (entries: readonly unknown[]): DeviceId[] =>
  entries.map((entry) => (entry as { device?: unknown } | null)?.device).filter((id): id is DeviceId => isId(id));

/** Undefined when there is no such file. @throws OperationError `malformed-message` when it is not JSON. */
async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperationError('malformed-message', `${path} is not JSON`, { effect: 'none', cause });
  }
}

/** A reader sees the old content or the new one, never a part. */
async function replaceFile(path: string, content: unknown): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(content, undefined, 2)}\n`);
  await rename(draft, path);
}
