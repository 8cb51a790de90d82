/**
 * The project's ignored tools folder: what was obtained once is kept there, and found again without network.
 *
 * 1. A program's place appears complete (`rename` of a finished folder) or not at all.
 * 2. One process obtains at a time; others wait for it and use what it obtained.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isRefusal, OperationError } from '@godwit/kernel';
import { lockDataDir, type DataLock } from './data-lock.js';
import { unpackedCommand, type UnpackedProgram } from './debian-server.js';

const MANIFEST = 'godwit-tool.json';
const OBTAINING_LIMIT_MS = 10 * 60_000;
const RETRY_MS = 100;

/** What the folder keeps under `name`, or undefined when there is nothing (or nothing readable). */
export async function keptProgram(toolsDir: string, name: string): Promise<UnpackedProgram | undefined> {
  const text = await readFile(join(toolsDir, name, MANIFEST), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseManifest(text);
}

/** The command of the program kept under `name`. */
export const keptCommand = (toolsDir: string, name: string, kept: UnpackedProgram): { command: string[]; env: Record<string, string> } =>
  unpackedCommand(join(toolsDir, name), kept);

/** Keeps what `obtain` puts into an empty folder, in place of what was there. The caller holds the lock. */
export async function keepProgram(toolsDir: string, name: string,
  obtain: (folders: { folder: string; scratch: string }) => Promise<UnpackedProgram>): Promise<UnpackedProgram> {
  const work = join(toolsDir, `.obtaining-${name}`);
  await rm(work, { recursive: true, force: true }); // left by a process that died here
  const [folder, scratch, old] = [join(work, 'kept'), join(work, 'scratch'), join(work, 'old')];
  try {
    for (const path of [folder, scratch]) await mkdir(path, { recursive: true });
    const unpacked = await obtain({ folder, scratch });
    await writeFile(join(folder, MANIFEST), `${JSON.stringify(unpacked, null, 2)}\n`);
    await chmod(folder, 0o755); // so that other users of the checkout can run it too
    await rename(join(toolsDir, name), old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(folder, join(toolsDir, name));
    return unpacked;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Waits until no other process obtains `name`. @throws OperationError `timeout` after ten minutes. */
export async function lockTool(toolsDir: string, name: string, onWait: (line: string) => void): Promise<DataLock> {
  const giveUpAtMs = Date.now() + OBTAINING_LIMIT_MS;
  let told = false;
  for (;;) {
    const lock = await lockDataDir(join(toolsDir, `.lock-${name}`));
    if (!isRefusal(lock)) return lock;
    if (Date.now() > giveUpAtMs) throw new OperationError('timeout', `${name}: another process has been obtaining it for too long: ${lock.reason}`, { effect: 'none' });
    if (!told) onWait(`${name}: another process is obtaining it, waiting`);
    told = true;
    await delay(RETRY_MS);
  }
}

function parseManifest(text: string): UnpackedProgram | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // damaged: it is obtained anew
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { program, libraryFolders, loader, version, origin } = value as Record<string, unknown>;
  if (typeof program !== 'string' || typeof version !== 'string' || typeof origin !== 'string') return undefined;
  if (!Array.isArray(libraryFolders) || !libraryFolders.every((folder) => typeof folder === 'string')) return undefined;
  const parts = { program, libraryFolders, version, origin };
  return typeof loader === 'string' ? { ...parts, loader } : parts;
}
