/** Starts server programs under one keeper process, so that they end with this process, however it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { OperationError } from '@godwit/kernel';
import type { KeeperReport, KeeperRequest } from './server-keeper.js';

export interface ServerLaunch {
  /** For messages, as in `nats-server`. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Standard output and errors are appended to it. */
  readonly logFile: string;
  readonly cwd: string;
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly cleanUp?: readonly string[];
}

export interface ServerEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A started program, ready or not. */
export interface KeptServer {
  readonly pid: number;
  /** Settled when the process is gone. */
  readonly ended: Promise<ServerEnd>;
  /** What `ended` resolved to, as soon as it did. */
  readonly end: ServerEnd | undefined;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after the time of grace. */
  stop(): Promise<void>;
}

interface Pending {
  started(pid: number): void;
  failed(reason: string): void;
  ended(end: ServerEnd): void;
}

class Keeper {
  private readonly servers = new Map<number, Pending>();
  private readonly pids = new Map<number, number>();
  private nextId = 1;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (report: KeeperReport) => this.receive(report));
    child.once('error', (error) => this.lost(error.message));
    child.once('disconnect', () => this.lost('the keeper of the servers ended'));
  }

  static open(): Keeper {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    // The real path: Node does not strip types below node_modules, where the workspace links to this package.
    const program = realpathSync(fileURLToPath(new URL(`./server-keeper.${extension}`, import.meta.url)));
    return new Keeper(spawn(process.execPath, [program], {
      cwd: tmpdir(), detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: { ...process.env, NODE_OPTIONS: '' },
    }));
  }

  get isOpen(): boolean {
    return this.child.connected;
  }

  start(launch: ServerLaunch): Promise<KeptServer> {
    const id = this.nextId++;
    const { name, ...rest } = launch;
    return new Promise((resolve, reject) => {
      let settleEnd: (end: ServerEnd) => void;
      const ended = new Promise<ServerEnd>((settle) => (settleEnd = settle));
      this.servers.set(id, {
        started: (pid) => resolve(this.kept(id, { pid, ended, graceMs: launch.graceMs })),
        failed: (reason) => reject(new OperationError('server-missing', `${name} did not start: ${reason}`, { effect: 'none' })),
        ended: (end) => settleEnd(end),
      });
      this.send({ kind: 'start', id, ...rest });
    });
  }

  private kept(id: number, { pid, ended, graceMs }: { pid: number; ended: Promise<ServerEnd>; graceMs: number }): KeptServer {
    let end: ServerEnd | undefined;
    void ended.then((value) => (end = value));
    const kill = (signal: NodeJS.Signals): void => this.send({ kind: 'signal', id, signal });
    const stop = async (): Promise<void> => {
      if (end !== undefined) return;
      kill('SIGCONT'); // a stopped server could not end in order
      kill('SIGTERM');
      const timer = setTimeout(() => kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
    };
    return { pid, ended, kill, stop, get end() { return end; } };
  }

  private receive(report: KeeperReport): void {
    const pending = this.servers.get(report.id);
    if (report.kind === 'started') {
      this.pids.set(report.id, report.pid);
      pending?.started(report.pid);
      return;
    }
    this.servers.delete(report.id);
    this.pids.delete(report.id);
    if (report.kind === 'failed') pending?.failed(report.reason);
    else pending?.ended({ exitCode: report.exitCode, signal: report.signal });
    // An idle keeper would keep this process alive; the next start opens a new one.
    if (this.servers.size === 0 && this.child.connected) this.child.disconnect();
  }

  /** The keeper died alone: its servers are ended here. */
  private lost(reason: string): void {
    for (const [id, pending] of this.servers) {
      const pid = this.pids.get(id);
      pending.failed(reason);
      if (pid !== undefined) terminate(pid);
      pending.ended({ exitCode: null, signal: null });
    }
    this.servers.clear();
    this.pids.clear();
  }

  private send(request: KeeperRequest): void {
    if (!this.child.connected) return this.lost('the keeper of the servers is gone');
    this.child.send(request, (error) => {
      if (error !== null) this.lost(error.message);
    });
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

let keeper: Keeper | undefined;

/** Starts the program; it is not ready yet. @throws OperationError when it cannot be started at all. */
export function keepServer(launch: ServerLaunch): Promise<KeptServer> {
  if (keeper === undefined || !keeper.isOpen) keeper = Keeper.open();
  return keeper.start(launch);
}

const LOG_TAIL_LINES = 8;

/** The last lines of a log, for messages. */
export async function logTail(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}
