/** A runner as the agent sees it: one child process, typed requests, and its end, which can come at any time. */
import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { OperationError, type DurationMs, type Refusal } from '@godwit/kernel';
import type { CopyProgress, FeedProgress, FromRunner, InputRecord, RunnerRequestName, RunnerRequests, RuntimeSample, ShadowProgress, ToRunner } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import { signalDescendants } from './descendants.js';

export interface RunnerListener {
  onOutput(output: ThreadOutput): void;
  onConsumed(seq: number): void;
  onSample(sample: RuntimeSample): void;
  onFault(refusal: Refusal): void;
  onExit(code: number): void;
  /** A copy that was begun has come so far. */
  onCopy?(progress: CopyProgress): void;
  /** What this shadow holds now. */
  onShadow?(progress: ShadowProgress): void;
  /** What the shadow that this thread feeds has acknowledged. */
  onFeed?(progress: FeedProgress): void;
  /** The process is gone without having been asked to. */
  onDied(reason: string): void;
}

/**
 * A socket that was read once goes on being read, paused or not, until its buffer is full. Once it is handed on, what is
 * still read here is lost without a sound, up to the moment when the child says that it holds it; the other side may well
 * have begun by then. Node offers no other way to stop that than the handle's own.
 */
function stopReading(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readStop(): number } | null };
  handle?.readStop(); // without a handle it is gone, and the child is told of a socket that ends at once
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Variables that tell a runner what it has on this machine, as in `GODWIT_PROCESS`. */
export type RunnerSettings = Readonly<Record<string, string>>;

export class RunnerProcess {
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private listener: RunnerListener | undefined;
  private ended = false;
  readonly ready: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    this.ready = new Promise((resolve, reject) => {
      child.on('message', (message: FromRunner) => (message.type === 'ready' ? resolve() : this.accept(message)));
      child.on('exit', (code, signal) => {
        const reason = `runner ${child.pid} ended with ${signal ?? `code ${code}`}`;
        reject(new OperationError('internal', reason, { effect: 'none' }));
        this.onGone(reason);
      });
      child.on('error', (error) => reject(error));
    });
    this.ready.catch(() => undefined); // whoever needs it awaits it; a runner that dies unused concerns nobody
  }

  /** @param entry the built runner. It gets no environment of ours but what Node needs, and `settings`. */
  static start(entry: string, settings: RunnerSettings = {}): RunnerProcess {
    const env = { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', ...settings };
    return new RunnerProcess(fork(entry, [], { serialization: 'advanced', env, execArgv: ['--disable-warning=ExperimentalWarning'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  listen(listener: RunnerListener): void {
    this.listener = listener;
  }

  private accept(message: FromRunner): void {
    switch (message.type) {
      case 'reply': return this.settle(message.id, message.value);
      case 'refused': return this.settle(message.id, message.refusal);
      case 'output': return this.listener?.onOutput(message.output);
      case 'consumed': return this.listener?.onConsumed(message.seq);
      case 'sample': return this.listener?.onSample(message.sample);
      case 'copy': return this.listener?.onCopy?.(message.progress);
      case 'shadow': return this.listener?.onShadow?.(message.progress);
      case 'feed': return this.listener?.onFeed?.(message.progress);
      case 'fault': return this.listener?.onFault(message.refusal);
      case 'exit': return this.listener?.onExit(message.code);
      case 'ready': return;
    }
  }

  private settle(id: number, value: unknown): void {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(value);
  }

  private onGone(reason: string): void {
    for (const [id, { reject, timer }] of this.waiting) {
      clearTimeout(timer);
      this.waiting.delete(id);
      reject(new OperationError('connection-lost', reason, { effect: 'unknown' }));
    }
    if (!this.ended) this.listener?.onDied(reason);
    this.ended = true;
  }

  private send(message: ToRunner, socket?: Socket): void {
    if (!this.child.connected) return;
    // A closed channel shows as the child's exit, which settles everything that waits.
    if (socket) {
      stopReading(socket);
      this.child.send(message, socket, () => undefined);
    } else this.child.send(message, () => undefined);
  }

  /** @throws OperationError('timeout' | 'connection-lost', effect unknown). */
  request<Name extends RunnerRequestName>(name: Name, request: RunnerRequests[Name]['request'], options: { readonly timeoutMs: DurationMs; readonly socket?: Socket }): Promise<RunnerRequests[Name]['reply'] | Refusal> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new OperationError('connection-lost', `runner ${this.pid} is gone`, { effect: 'none' }));
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new OperationError('timeout', `runner: ${name} not answered within ${options.timeoutMs} ms`, { effect: 'unknown' }));
      }, options.timeoutMs);
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.send({ type: 'request', id, name, ...request } as ToRunner, options.socket);
    });
  }

  feed(records: readonly InputRecord[]): void {
    this.send({ type: 'feed', records });
  }
  setDuty(ratio: number): void {
    this.send({ type: 'duty', ratio });
  }
  sampleEvery(periodMs: DurationMs): void {
    this.send({ type: 'sample-every', periodMs });
  }
  /** Stops every instruction of it at once, from outside; also of what it started, where the program is a process tree. */
  suspend(): void {
    this.signal('SIGSTOP');
    signalDescendants(this.pid, 'SIGSTOP');
  }
  continue(): void {
    signalDescendants(this.pid, 'SIGCONT');
    this.signal('SIGCONT');
  }
  end(): void {
    this.ended = true;
    this.signal('SIGKILL');
  }
  private signal(name: NodeJS.Signals): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(name);
  }
}

/** Runners that are started before they are needed: a start costs 40 to 200 ms, a migration should not. */
export class RunnerPool {
  private readonly idle: RunnerProcess[] = [];
  private closed = false;
  constructor(private readonly entry: string, private readonly size: number, private readonly settings: RunnerSettings = {}) {
    this.fill();
  }
  private fill(): void {
    while (!this.closed && this.idle.length < this.size) {
      const runner = RunnerProcess.start(this.entry, this.settings);
      runner.listen({ onOutput() {}, onConsumed() {}, onSample() {}, onFault() {}, onExit() {}, onDied: () => this.idle.splice(this.idle.indexOf(runner), 1) });
      this.idle.push(runner);
    }
  }
  async take(): Promise<RunnerProcess> {
    const runner = this.idle.shift() ?? RunnerProcess.start(this.entry, this.settings);
    this.fill();
    await runner.ready;
    return runner;
  }
  close(): void {
    this.closed = true;
    for (const runner of this.idle.splice(0)) runner.end();
  }
}
