/** Starts one of Godwit's services as a process of its own and waits until it is ready. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationError, type DurationMs } from '@godwit/kernel';
import { describeEnd, type Instance } from './instance.js';

export interface ServiceLaunch {
  /** As in `forecaster` or `agent-d-small`. */
  readonly name: string;
  /** Put before the command. */
  readonly prefix: readonly string[];
  /** The built `main.js`. */
  readonly entry: string;
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What the service writes on stderr is appended to it. */
  readonly logFile: string;
  /** True for a service that prints a second line, `{"listening": URL}`. */
  readonly listens: boolean;
}

export interface ServiceInstance extends Instance {
  /** Where /livez, /readyz and /metrics are, as in `http://127.0.0.1:41234`. */
  readonly adminUrl: string;
  /** The address of its API, of a service that has one. */
  readonly listeningUrl: string | undefined;
}

export const READY_LIMIT_MS = 60_000;
const POLL_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;
/** Loaded into each service, so that it ends with this process. In the sources and in the build one level up. */
const PRELOAD = new URL('../preload/end-with-parent.mjs', import.meta.url);

/** @throws OperationError `internal` with the service's last words when it ends or is not ready in time; then it is gone. */
export async function startService(launch: ServiceLaunch, signal: AbortSignal): Promise<ServiceInstance> {
  signal.throwIfAborted();
  const logFrom = await size(launch.logFile);
  const child = spawnService(launch);
  const ended = endOf(child);
  const control = new AbortController();
  const limit = AbortSignal.any([signal, control.signal, AbortSignal.timeout(READY_LIMIT_MS)]);
  const gone = ended.then((how) => {
    control.abort();
    return how;
  });
  try {
    const urls = await announced(child, launch.listens, limit);
    await answersReady(urls.adminUrl, limit);
    return { pid: child.pid ?? 0, ended, ...urls, kill: (name) => void child.kill(name), stop: (graceMs) => stopChild(child, ended, graceMs) };
  } catch (cause) {
    const how = control.signal.aborted ? `ended at once (${await gone})` : signal.aborted ? 'was told to end' : `was not ready within ${READY_LIMIT_MS / 1000} s`;
    child.kill('SIGKILL');
    await ended;
    throw new OperationError('internal', `${launch.name} ${how}${lastWords(await textFrom(launch.logFile, logFrom), launch.logFile)}`, { effect: 'none', cause });
  }
}

function spawnService({ prefix, entry, env, cwd, logFile }: ServiceLaunch): ChildProcess {
  const log = openSync(logFile, 'a', 0o640);
  try {
    // A session of its own: Ctrl-C in a terminal reaches only us, and we end the services in order.
    const [program, ...args] = [...prefix, process.execPath, '--disable-warning=ExperimentalWarning', '--import', PRELOAD.href, entry];
    return spawn(program!, args, {
      cwd, env, detached: true, stdio: ['ignore', 'pipe', log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve(describeEnd(exitCode, signal)));
    child.once('error', (error) => {
      if (child.pid === undefined) resolve(error.message);
    });
  });
}

/** Reads the lines in which a service says where it serves. Its further output is read too, so that no full pipe stops it. */
function announced(child: ChildProcess, listens: boolean, limit: AbortSignal): Promise<{ adminUrl: string; listeningUrl: string | undefined }> {
  return new Promise((resolve, reject) => {
    let adminUrl: string | undefined;
    let listeningUrl: string | undefined;
    const giveUp = (): void => reject(limit.reason as Error);
    if (limit.aborted) return giveUp();
    limit.addEventListener('abort', giveUp, { once: true });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      adminUrl ??= /^\{"service":.*"admin":"([^"]+)"/.exec(line)?.[1];
      listeningUrl ??= /^\{"listening":"([^"]+)"/.exec(line)?.[1];
      if (adminUrl === undefined || (listens && listeningUrl === undefined)) return;
      limit.removeEventListener('abort', giveUp);
      resolve({ adminUrl, listeningUrl });
    });
  });
}

async function answersReady(adminUrl: string, limit: AbortSignal): Promise<void> {
  while (!(await isReady(adminUrl))) await delay(POLL_MS, undefined, { signal: limit });
}

/** Whether `/readyz` answers 200. */
export const isReady = (adminUrl: string): Promise<boolean> =>
  fetch(new URL('/readyz', adminUrl), { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) }).then((response) => response.ok, () => false);

async function stopChild(child: ChildProcess, ended: Promise<string>, graceMs: DurationMs): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGCONT'); // a stopped process could not end in order
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}

const LAST_WORDS_BYTES = 64 * 1024;
const LAST_WORDS_LINES = 3;

async function size(path: string): Promise<number> {
  const file = await open(path, 'a', 0o640);
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

async function textFrom(path: string, from: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(LAST_WORDS_BYTES), position: Math.max(from, (await file.stat()).size - LAST_WORDS_BYTES) });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** What a person needs of the last lines: the message, without the fields of the log. */
function lastWords(text: string, logFile: string): string {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('at ')).slice(-LAST_WORDS_LINES).map(plain);
  return lines.length === 0 ? ` without a word (log: ${logFile})` : `: ${lines.join(' | ')} (log: ${logFile})`;
}

function plain(line: string): string {
  const message = /"msg":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  const cause = /"message":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return message === undefined ? line : cause === undefined ? message : `${message}: ${cause}`;
}

