/**
 * One thread in one process. Owns: the thread's instance, the snapshot's encoding, the bulk stream. Does not own: the
 * journal, ownership, credentials; the agent on the other end of the channel has those.
 *
 * Invariants: N1. Requests are served one after the other, so "freeze" then "snapshot" needs no lock; only the rounds of a
 * copy go on beside them. N2. A fault of the program, of a message or of a socket is told to the agent; it never ends this
 * process in silence.
 */
import type { Socket } from 'node:net';
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import { receiveSnapshot } from '@godwit/bulk';
import type { FromRunner, RestoredMark, Runtime, RunnerRequestName, RunnerRequests, SnapshotMark, ThreadInstance, ThreadProgram, ToRunner } from '@godwit/runtime';
import { decodeSnapshot, encodeSnapshot, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import { CopySource } from './copy-source.js';
import { receiveCopy } from './copy-target.js';

type Request<Name extends RunnerRequestName> = RunnerRequests[Name]['request'];
type Answer<Name extends RunnerRequestName> = Promise<RunnerRequests[Name]['reply'] | Refusal>;
type Handlers = { [Name in RunnerRequestName]: (request: Request<Name>, socket: Socket | undefined) => Answer<Name> };

const NOT_PREPARED = refuse('conflict', 'the runner has not been prepared for a thread');
const NO_SOCKET = refuse('conflict', 'no socket came with the request');
const NO_COPY = refuse('conflict', 'no copy was begun');

export class Runner {
  private program: ThreadProgram | undefined;
  private instance: ThreadInstance | undefined;
  private queue: Promise<void> = Promise.resolve();
  private sampler: NodeJS.Timeout | undefined;
  private copy: CopySource | undefined;
  /** What the agent permits, and what a copy leaves of it. */
  private dutyRatio = 1;
  private copyRatio = 1;

  constructor(private readonly runtimes: readonly Runtime[], private readonly tell: (message: FromRunner) => void) {}

  /** Takes one message of the agent. */
  accept(message: ToRunner, socket: Socket | undefined): void {
    switch (message.type) {
      case 'feed':
        this.instance?.feed(message.records);
        return;
      case 'duty':
        this.dutyRatio = message.ratio;
        this.applyDuty();
        return;
      case 'sample-every':
        clearInterval(this.sampler);
        this.sampler = setInterval(() => this.instance && this.tell({ type: 'sample', sample: this.instance.sample() }), message.periodMs);
        return;
      case 'request':
        if (message.name === 'freeze') this.copy?.hold();
        this.queue = this.queue.then(() => this.serve(message, socket));
    }
  }

  private applyDuty(): void {
    this.instance?.setDuty(this.dutyRatio * this.copyRatio);
  }

  private async serve(message: Extract<ToRunner, { type: 'request' }>, socket: Socket | undefined): Promise<void> {
    let value: unknown;
    try {
      value = await (this.handlers[message.name] as (request: unknown, socket?: Socket) => Promise<unknown>)(message, socket);
    } catch (cause) {
      value = cause instanceof OperationError ? refuse(cause.code, cause.message) : refuse('internal', `runner: ${message.name}: ${(cause as Error).message}`);
    } finally {
      if (message.name !== 'copy-begin' || this.copy === undefined) socket?.destroy();
    }
    this.tell(isRefusal(value) ? { type: 'refused', id: message.id, refusal: value } : { type: 'reply', id: message.id, value: value ?? null });
  }

  private readonly handlers: Handlers = {
    prepare: async ({ program }) => {
      const runtime = this.runtimes.find((r) => r.kind === program.runtime);
      if (!runtime) return refuse('no-capability', `this runner has no runtime ${program.runtime}`, 'runtime');
      const instance = await runtime.prepare(program, {
        onOutput: (output) => this.tell({ type: 'output', output }),
        onConsumed: (seq) => this.tell({ type: 'consumed', seq }),
        onFault: (refusal) => this.tell({ type: 'fault', refusal }),
        onExit: (code) => this.tell({ type: 'exit', code }),
      }, sha256);
      if (isRefusal(instance)) return instance;
      this.program = program;
      this.instance = instance;
      return null;
    },
    start: async () => (this.instance ? ((await this.instance.start()) ?? null) : NOT_PREPARED),
    freeze: async () => (this.instance ? ((await this.instance.freeze()) ?? null) : NOT_PREPARED),
    resume: async () => {
      if (!this.instance) return NOT_PREPARED;
      this.instance.resume();
      this.copy?.release();
      return null;
    },
    stop: async () => {
      clearInterval(this.sampler);
      this.copy?.end();
      await this.instance?.stop();
      this.instance = undefined;
      return null;
    },
    restore: async ({ bytes }) => this.restore(bytes),
    receive: async ({ maxBytes, timeoutMs }, socket) => {
      if (!socket) return NO_SOCKET;
      if (!this.instance || !this.program) return NOT_PREPARED;
      if (this.instance.image) return receiveCopy(this.instance.image, this.program, socket, { maxBytes, timeoutMs });
      const received = await receiveSnapshot(socket, { maxBytes, timeoutMs });
      return isRefusal(received) ? received : this.restore(received.content);
    },
    'copy-begin': async ({ freezeBudgetMs, timeoutMs }, socket) => {
      if (!socket) return NO_SOCKET;
      this.copy?.end();
      this.copy = undefined;
      if (!this.instance) return NOT_PREPARED;
      const slow = (ratio: number): void => {
        this.copyRatio = ratio;
        this.applyDuty();
      };
      this.copy = new CopySource({ instance: this.instance, socket, freezeBudgetMs, timeoutMs, slow, tell: (progress) => this.tell({ type: 'copy', progress }) });
      return null;
    },
    'copy-final': async ({ pendingOutputs }) => {
      const { copy } = this;
      this.copy = undefined;
      return copy ? copy.final(pendingOutputs) : NO_COPY;
    },
    'copy-cancel': async () => {
      this.copy?.end();
      this.copy = undefined;
      return null;
    },
    snapshot: async ({ pendingOutputs }) => {
      const snapshot = await this.snapshot(pendingOutputs);
      if (isRefusal(snapshot)) return snapshot;
      const parts = encodeSnapshot(snapshot, utf8);
      return { ...markOf(snapshot, { digest: sha256(...parts), bytes: parts.reduce((sum, part) => sum + part.length, 0) }), parts };
    },
  };

  private async snapshot(pendingOutputs: readonly ThreadOutput[]): Promise<ThreadSnapshot | Refusal> {
    if (!this.instance) return NOT_PREPARED;
    const snapshot = await this.instance.snapshot();
    return isRefusal(snapshot) ? snapshot : { ...snapshot, pendingOutputs };
  }

  /**
   * Rebuilds the state, then takes it again from the rebuilt instance: the digest that is answered is that of what will
   * run, not of what arrived.
   */
  private async restore(bytes: Uint8Array): Promise<RestoredMark | Refusal> {
    if (!this.instance || !this.program) return NOT_PREPARED;
    const snapshot = decodeSnapshot(bytes, utf8);
    if (isRefusal(snapshot)) return snapshot;
    if (snapshot.thread !== this.program.thread) return refuse('snapshot-damaged', `snapshot: it is of thread ${snapshot.thread}, not of ${this.program.thread}`, 'thread');
    const refusal = await this.instance.restore(snapshot);
    if (isRefusal(refusal)) return refusal;
    const rebuilt = await this.snapshot(snapshot.pendingOutputs);
    if (isRefusal(rebuilt)) return rebuilt;
    const mark: SnapshotMark = markOf(rebuilt, { digest: sha256(...encodeSnapshot(rebuilt, utf8)), bytes: bytes.length });
    return { ...mark, pendingOutputs: snapshot.pendingOutputs };
  }
}

const markOf = (snapshot: ThreadSnapshot, { digest, bytes }: Pick<SnapshotMark, 'digest' | 'bytes'>): SnapshotMark =>
  ({ cursorSeq: snapshot.cursorSeq, outN: snapshot.outN, chainHash: snapshot.chainHash, digest, bytes });
