/**
 * A small program, started by `keep-server.ts`: the parent process of the servers. It lives in a session of its own, so
 * that Ctrl-C in a terminal does not reach the servers, and it ends them when the channel to our process closes,
 * however that process ended (SIGKILL included; Node cannot set PR_SET_PDEATHSIG).
 *
 * Imports nothing of ours: Node runs this file as it stands, from the sources as well as from the build.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** What our process asks of the keeper. */
export type KeeperRequest =
  | {
    readonly kind: 'start'; readonly id: number; readonly command: readonly string[]; readonly env: Readonly<Record<string, string>>;
    readonly logFile: string; readonly cwd: string; readonly graceMs: number;
    /** Ends what the process itself leaves behind, such as a container; run after the process ended by SIGKILL. */
    readonly cleanUp?: readonly string[];
  }
  | { readonly kind: 'signal'; readonly id: number; readonly signal: NodeJS.Signals };

/** What the keeper tells. */
export type KeeperReport =
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string }
  | { readonly kind: 'ended'; readonly id: number; readonly exitCode: number | null; readonly signal: NodeJS.Signals | null };

interface Kept {
  readonly child: ChildProcess;
  readonly graceMs: number;
}

const kept = new Map<number, Kept>();

function report(message: KeeperReport): void {
  // A closed channel is reported by 'disconnect', which ends everything.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function start(request: KeeperRequest & { kind: 'start' }): void {
  const { id, command, graceMs, cleanUp } = request;
  let log: number;
  try {
    log = openSync(request.logFile, 'a', 0o640);
  } catch (error) {
    return report({ kind: 'failed', id, reason: (error as Error).message });
  }
  const child = spawn(command[0]!, command.slice(1), { cwd: request.cwd, env: { ...process.env, ...request.env }, stdio: ['ignore', log, log] });
  closeSync(log);
  child.once('error', (error) => {
    if (child.pid === undefined) report({ kind: 'failed', id, reason: error.message });
  });
  if (child.pid === undefined) return;
  kept.set(id, { child, graceMs });
  report({ kind: 'started', id, pid: child.pid });
  child.once('exit', (exitCode, signal) => {
    const ended = (): void => {
      kept.delete(id);
      report({ kind: 'ended', id, exitCode, signal });
      endIfDone();
    };
    if (signal !== 'SIGKILL' || cleanUp === undefined) return ended();
    const cleaner = spawn(cleanUp[0]!, cleanUp.slice(1), { stdio: 'ignore' });
    cleaner.once('close', ended).once('error', ended);
  });
}

function endIfDone(): void {
  if (!process.connected && kept.size === 0) process.exit(0);
}

function endAll(): void {
  for (const { child, graceMs } of kept.values()) {
    child.kill('SIGCONT'); // a stopped server could not end in order
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), graceMs);
  }
  endIfDone();
}

process.on('message', (request: KeeperRequest) => {
  if (request.kind === 'start') start(request);
  else kept.get(request.id)?.child.kill(request.signal);
});
process.on('disconnect', endAll);
process.on('SIGTERM', () => {
  if (process.connected) process.disconnect();
});
