/** Starts `redis-server` with an append-only file on the loopback. Redis holds state that can be rebuilt, never the truth. */
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { OperationError } from '@godwit/kernel';
import type { StartableServer } from './resolved-server.js';
import { freePort, launch, whenReady, type RunningServer } from './running-server.js';

export interface StartRedisOptions {
  readonly server: StartableServer;
  /** Absolute; made if missing. Holds the append-only file and the configuration file. */
  readonly dataDir: string;
  readonly logFile: string;
  /** Default, and at 0 or below: a free one. */
  readonly port?: number;
  /** When a write reaches the disk; default `everysec` (a power cut may take the last second). */
  readonly appendfsync?: 'always' | 'everysec';
}

const MAX_PORT_TRIES = 5;

export function redisConfiguration(options: { dataDir: string; port: number; appendfsync: 'always' | 'everysec' }): string {
  return [
    'bind 127.0.0.1', 'protected-mode yes', `port ${options.port}`, 'daemonize no', `dir ${JSON.stringify(options.dataDir)}`,
    'save ""', 'appendonly yes', `appendfsync ${options.appendfsync}`, '',
  ].join('\n');
}

/** @throws OperationError `server-missing` with the server's last log lines when it does not become ready. */
export async function startRedis(options: StartRedisOptions): Promise<RunningServer> {
  await mkdir(options.dataDir, { recursive: true });
  if (options.port !== undefined && options.port > 0) return startOnPort(options, options.port);
  // Redis cannot pick a port itself: another process may take the free one first.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnPort(options, await freePort());
    } catch (error) {
      const isTaken = error instanceof OperationError && /Address already in use/i.test(error.message);
      if (!isTaken || attempt === MAX_PORT_TRIES) throw error;
    }
  }
}

async function startOnPort(options: StartRedisOptions, port: number): Promise<RunningServer> {
  const { server, dataDir, logFile, appendfsync = 'everysec' } = options;
  const configFile = join(dataDir, 'redis.conf');
  await writeFile(configFile, redisConfiguration({ dataDir, port, appendfsync }), { mode: 0o600 });
  const kept = await launch({ server, name: 'redis-server', logFile, cwd: dataDir, folders: [dataDir], args: [configFile] });
  // A server that lost the race for its port is not mistaken for the one that won it. A container has its own pids.
  const pid = server.kind === 'binary' ? kept.pid : undefined;
  await whenReady(kept, { name: 'redis-server', logFile, probe: () => answersPing(port, pid) });
  return {
    url: `redis://127.0.0.1:${port}`, port, logFile, pid: kept.pid, ended: kept.ended,
    stop: kept.stop, kill: kept.kill, [Symbol.asyncDispose]: kept.stop,
  };
}

const PROBE_TIMEOUT_MS = 2_000;

/** True when the server on `port` has loaded its data and is the process `pid`; undefined as long as not. */
function answersPing(port: number, pid: number | undefined): Promise<true | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('PING\r\nINFO server\r\n'));
    socket.setEncoding('utf8').setTimeout(PROBE_TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.startsWith('-') || /process_id:\d+\r\n/.test(text)) socket.end();
    });
    // Not listening yet, or closed: 'close' follows and answers.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      const answered = Number(/process_id:(\d+)/.exec(text)?.[1] ?? 0);
      resolve(text.startsWith('+PONG') && (pid === undefined || answered === pid) ? true : undefined);
    });
  });
}
