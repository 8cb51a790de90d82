/** Where the test kit finds the servers' programs and keeps each test's files. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationError } from '@godwit/kernel';
import { resolveCriu, resolveNats, resolveRedis, type ServerBinary, type StartableServer } from '@godwit/servers';

/** The repository's root: the nearest folder upwards whose package is named `godwit`. */
export async function repositoryRoot(from: string = dirname(fileURLToPath(import.meta.url))): Promise<string> {
  const text = await readFile(join(from, 'package.json'), 'utf8').catch(() => '');
  if (/"name":\s*"godwit"/.test(text)) return from;
  if (dirname(from) === from) throw new Error('no package named godwit above this file');
  return repositoryRoot(dirname(from));
}

const resolved = new Map<'nats' | 'redis', Promise<StartableServer>>();

/** The program, found or obtained once a process. Servers that run elsewhere are left alone: each test has its own. */
export function testServer(name: 'nats' | 'redis'): Promise<StartableServer> {
  let server = resolved.get(name);
  if (server === undefined) resolved.set(name, (server = resolveStartable(name)));
  return server;
}

async function resolveStartable(name: 'nats' | 'redis'): Promise<StartableServer> {
  const { NATS_URL: _nats, REDIS_URL: _redis, ...env } = process.env;
  const options = { toolsDir: join(await repositoryRoot(), '.godwit', 'tools'), env };
  const server = await (name === 'nats' ? resolveNats(options) : resolveRedis(options));
  if (server.kind === 'url') throw new Error(`${name}: a server to start was expected`);
  return server;
}

/** CRIU, found or obtained; or why what needs it is to be skipped here. */
export async function testCriu(): Promise<{ readonly criu: ServerBinary } | { readonly missing: string }> {
  try {
    return { criu: await resolveCriu({ toolsDir: join(await repositoryRoot(), '.godwit', 'tools') }) };
  } catch (error) {
    if (error instanceof OperationError) return { missing: error.message };
    throw error;
  }
}

/** A new folder below the system's temporary one; `remove` takes it away with all it holds. */
export async function temporaryFolder(prefix: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `godwit-${prefix}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
