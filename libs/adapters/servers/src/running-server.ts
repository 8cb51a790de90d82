/** A started server as its users see it, and the steps that NATS and Redis share. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationError } from '@godwit/kernel';
import { keepServer, logTail, type KeptServer, type ServerEnd } from './keep-server.js';
import type { StartableServer } from './resolved-server.js';

/** A server of ours, ready for clients. It ends when it is disposed, or with this process, whichever comes first. */
export interface RunningServer extends AsyncDisposable {
  /** As in `nats://127.0.0.1:41234`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** Settled when the process is gone, for whatever reason. */
  readonly ended: Promise<ServerEnd>;
  /** Ends it in order: SIGTERM, then SIGKILL after ten seconds. A second call waits too. */
  stop(): Promise<void>;
  /** Sends a signal and does not wait; `ended` tells. */
  kill(signal: NodeJS.Signals): void;
}

export const STOP_GRACE_MS = 10_000;
export const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 15;

export interface LaunchOptions {
  readonly server: StartableServer;
  readonly name: string;
  readonly args: readonly string[];
  /** Folders that the server reads or writes; a container gets them mounted at the same place. */
  readonly folders: readonly string[];
  readonly cwd: string;
  readonly logFile: string;
}

/** Starts the program, or the container that stands for it. */
export function launch(options: LaunchOptions): Promise<KeptServer> {
  const { server, name, args, folders, cwd, logFile } = options;
  const common = { name, logFile, cwd, graceMs: STOP_GRACE_MS };
  if (server.kind === 'binary') return keepServer({ ...common, command: [...server.command, ...args], env: server.env });
  const container = `godwit-${name}-${randomBytes(6).toString('hex')}`;
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const mounts = [...new Set(folders)].flatMap((folder) => ['--volume', `${folder}:${folder}`]);
  const command = [server.engine, 'run', '--rm', '--name', container, '--network', 'host', '--user', user, '--workdir', cwd, ...mounts, server.image, ...args];
  return keepServer({ ...common, command, env: {}, cleanUp: [server.engine, 'rm', '--force', container] });
}

/**
 * Polls `probe` until it gives a value. @throws OperationError `server-missing` with the last log lines when the
 * process ends or the time runs out first; the process is stopped then.
 */
export async function whenReady<Value>(kept: KeptServer, options: { name: string; logFile: string; probe: () => Promise<Value | undefined> }): Promise<Value> {
  const giveUpAtMs = performance.now() + READY_TIMEOUT_MS;
  try {
    while (kept.end === undefined && performance.now() < giveUpAtMs) {
      const value = await options.probe();
      if (value !== undefined) return value;
      await delay(POLL_MS);
    }
  } catch (error) {
    await kept.stop();
    throw error;
  }
  const how = kept.end === undefined ? `was not ready within ${READY_TIMEOUT_MS / 1000} s` : `ended at once (${kept.end.signal ?? `exit code ${kept.end.exitCode}`})`;
  await kept.stop();
  throw new OperationError('server-missing', `${options.name} ${how}; its last words:\n${await logTail(options.logFile)}`, { effect: 'none' });
}

/** A port of the loopback that was free just now, below the range from which systems draw for outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
