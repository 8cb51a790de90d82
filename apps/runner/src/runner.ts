/**
 * One thread in one process. Owns: the thread's instance, the snapshot's encoding, the bulk stream. Does not own: the
 * journal, ownership, credentials; the agent on the other end of the channel has those.
 *
 * Invariants: N1. Requests are served one after the other, so "freeze" then "snapshot" needs no lock; only the rounds of a
 * copy go on beside them. N2. A fault of the program, of a message or of a socket is told to the agent; it never ends this
 * process in silence.
 */
import type { Socket } from 'node:net';
import { isRefusal, OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { receiveSnapshot } from '@godwit/bulk';
import type { FromRunner, RestoredMark, Runtime, RunnerRequestName, RunnerRequests, SnapshotMark, ThreadInstance, ThreadProgram, ToRunner } from '@godwit/runtime';
import { decodePart, decodeSnapshot, encodeSnapshot, type ThreadOutput, type ThreadSnapshot } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import { CheckpointSource } from './checkpoint-source.js';
import { CopySource } from './copy-source.js';
import { receiveCopy } from './copy-target.js';
import { HeldState } from './held-state.js';
import { ShadowSource } from './shadow-source.js';
import { ShadowTarget } from './shadow-target.js';
import { WrittenLedger } from './written-ledger.js';

type Request<Name extends RunnerRequestName> = RunnerRequests[Name]['request'];
type Answer<Name extends RunnerRequestName> = Promise<RunnerRequests[Name]['reply'] | Refusal>;
type Handlers = { [Name in RunnerRequestName]: (request: Request<Name>, socket: Socket | undefined) => Answer<Name> };

const NOT_PREPARED = refuse('conflict', 'the runner has not been prepared for a thread');
const NO_SOCKET = refuse('conflict', 'no socket came with the request');
const NO_COPY = refuse('conflict', 'no copy was begun');
/** Of a state whose runtime has no image and no bound of its own. */
const MOST_FLAT_BYTES = 16 * 1024 ** 3;
/** Checkpoints of older versions are encoded snapshots. */
const isSnapshot = (bytes: Uint8Array): boolean => bytes[0] === 0x47 && bytes[1] === 0x44 && bytes[2] === 0x57 && bytes[3] === 0x54;

export class Runner {
  private program: ThreadProgram | undefined;
  private instance: ThreadInstance | undefined;
  private queue: Promise<void> = Promise.resolve();
  /** The last start or resume. What is fed behind it must not overtake it: a thread that stands drops what it is fed. */
  private going: Promise<void> = Promise.resolve();
  private sampler: NodeJS.Timeout | undefined;
  private copy: CopySource | undefined;
  private written: WrittenLedger | undefined;
  private checkpoints: CheckpointSource | undefined;
  private shadowOf: ShadowSource | undefined;
  private shadow: ShadowTarget | undefined;
  /** What the agent permits, and what a copy leaves of it. */
  private dutyRatio = 1;
  private copyRatio = 1;

  constructor(private readonly runtimes: readonly Runtime[], private readonly tell: (message: FromRunner) => void) {}

  /** Takes one message of the agent. */
  accept(message: ToRunner, socket: Socket | undefined): void {
    switch (message.type) {
      case 'feed':
        void this.going.then(() => this.instance?.feed(message.records));
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
        if (message.name === 'start' || message.name === 'resume') this.going = this.queue;
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
      if (!this.keepsSocket(message.name)) socket?.destroy();
    }
    this.tell(isRefusal(value) ? { type: 'refused', id: message.id, refusal: value } : { type: 'reply', id: message.id, value: value ?? null });
  }

  private keepsSocket(name: RunnerRequestName): boolean {
    return (name === 'copy-begin' && this.copy !== undefined) || (name === 'shadow-feed' && this.shadowOf !== undefined) || (name === 'shadow-follow' && this.shadow !== undefined);
  }

  private async prepare(program: ThreadProgram): Promise<Refusal | undefined> {
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
    this.written = new WrittenLedger(instance.image);
    this.checkpoints = new CheckpointSource(instance, this.written.reader());
    return undefined;
  }

  private readonly handlers: Handlers = {
    prepare: async ({ program }) => (await this.prepare(program)) ?? null,
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
      this.shadowOf?.end();
      this.shadow?.end();
      await this.instance?.stop();
      this.instance = undefined;
      this.checkpoints = undefined;
      return null;
    },
    restore: async ({ parts, digest }) => {
      const { instance, program } = this;
      const mark = await this.restoreParts(parts, digest);
      if (!isRefusal(mark) || !instance || !program) return mark;
      // Half a state may stand in it: what is tried next begins with a new one.
      await instance.stop();
      return (await this.prepare(program)) ?? mark;
    },
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
      const written = this.written!.reader();
      this.copy = new CopySource({ instance: this.instance, written, socket, freezeBudgetMs, timeoutMs, slow, tell: (progress) => this.tell({ type: 'copy', progress }) });
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
    'checkpoint-begin': async () => (this.checkpoints ? ((await this.checkpoints.begin()) ?? null) : NOT_PREPARED),
    capture: async ({ pendingOutputs }) => this.checkpoints?.capture(pendingOutputs) ?? NOT_PREPARED,
    encode: async ({ k, parent }) => this.checkpoints?.encode(k, parent) ?? NOT_PREPARED,
    'shadow-feed': async (durable, socket) => {
      if (!socket) return NO_SOCKET;
      this.shadowOf?.end();
      this.shadowOf = undefined;
      if (!this.checkpoints) return NOT_PREPARED;
      this.checkpoints.feeds = true;
      this.shadowOf = new ShadowSource(socket, this.checkpoints, durable, (progress) => this.tell({ type: 'feed', progress }));
      return null;
    },
    'shadow-durable': async ({ k, epoch }) => {
      this.shadowOf?.isDurable(k, epoch);
      return null;
    },
    'shadow-follow': async (limits, socket) => {
      if (!socket) return NO_SOCKET;
      if (!this.instance || !this.program) return NOT_PREPARED;
      this.shadow ??= new ShadowTarget(this.instance, this.program, (progress) => this.tell({ type: 'shadow', progress }));
      await this.shadow.follow(socket, limits);
      return null;
    },
    'shadow-promote': async ({ k, digest }) => {
      const { shadow } = this;
      this.shadow = undefined;
      return shadow ? shadow.promote(k, digest) : refuse('conflict', 'this runner holds no shadow');
    },
  };

  private async snapshot(pendingOutputs: readonly ThreadOutput[]): Promise<ThreadSnapshot | Refusal> {
    if (!this.instance) return NOT_PREPARED;
    const snapshot = await this.instance.snapshot();
    return isRefusal(snapshot) ? snapshot : { ...snapshot, pendingOutputs };
  }

  private async restoreParts(parts: readonly Uint8Array[], digest: Sha256): Promise<RestoredMark | Refusal> {
    const [first, ...deltas] = parts;
    if (!this.instance || !this.program || !first) return NOT_PREPARED;
    if (deltas.length === 0 && isSnapshot(first)) return this.restore(first);
    const limits = { imageBytes: this.instance.image?.maximumBytes ?? MOST_FLAT_BYTES, restBytes: MOST_FLAT_BYTES };
    const state = new HeldState(this.instance, this.program);
    for (const bytes of parts) {
      const part = decodePart(bytes, limits);
      if (isRefusal(part)) return part;
      const refused = (await state.begin(part.head)) ?? state.check(part.delta) ?? state.take(part.delta);
      if (refused) return refused;
      const reached = state.end(part.rest);
      if (isRefusal(reached)) return reached;
    }
    return state.restore(digest);
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
