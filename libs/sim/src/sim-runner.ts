/** Simulated runners: processes beside the agent that execute the toy program, and the ways between them for snapshots. */
import { isRefusal, OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import type { BulkLink, Runner, RunnerListener } from '@godwit/handover';
import type { InputRecord, RestoredMark, RunnerRequestName, RunnerRequests, SnapshotMark, ThreadProgram } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import type { Dice, EventLoop } from './loop.js';
import { Proc } from './proc.js';
import { apply, restored, sha256, snapshotOf, startState, type ProgramState } from './program.js';
import { SimLink } from './sim-link.js';
import { appliedPart, stateDigestOf, ToyFeed, ToyShadow, toyPart, type ToyCheckpoint, type ToyState } from './toy-checkpoint.js';

export interface RunnerWorld {
  readonly loop: EventLoop;
  readonly dice: Dice;
  /** Told at every record that a program takes. */
  readonly onExecuted: (runner: SimRunner, record: InputRecord) => void;
  /** Told when a shadow became the thread. */
  readonly onPromoted: () => void;
  /** Whether the program of a thread draws nonces, whatever it is registered as. */
  readonly isRandom: (thread: string) => boolean;
  /** Counted in each world, so that a history does not depend on those before it. */
  readonly nextPid: () => number;
}
type Request<Name extends RunnerRequestName> = RunnerRequests[Name]['request'];
type Answer = RunnerRequests[RunnerRequestName]['reply'] | Refusal;

/** The usual time for one record, ms. */
const WORK_MS = 4;

export class SimRunner implements Runner {
  readonly pid: number;
  readonly proc: Proc;
  program: ThreadProgram | undefined;
  private listener: RunnerListener | undefined;
  private state: ProgramState = startState();
  private standing: 'new' | 'frozen' | 'running' = 'new';
  private queue: InputRecord[] = [];
  private working = false;
  private onSafepoint: (() => void) | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private ended = false;
  private suspended = false;
  private readonly lastAtMs = { there: 0, back: 0 };
  private readonly open = new Set<(error: OperationError) => void>();

  constructor(private readonly agent: Proc, private readonly world: RunnerWorld) {
    this.pid = world.nextPid();
    this.proc = new Proc(`${agent.name}-runner`, world.loop);
    this.proc.start();
  }

  listen(listener: RunnerListener): void {
    this.listener = listener;
  }

  /** The channel between agent and runner: quick and in order. */
  private channel(way: 'there' | 'back', to: Proc, run: () => void): void {
    const { loop, dice } = this.world;
    const atMs = Math.max(loop.nowMs + dice.between(0.02, 0.3), this.lastAtMs[way] + 1e-6);
    this.lastAtMs[way] = atMs;
    const { life } = to;
    loop.at(atMs, () => to.deliver(() => { if (to.life === life) run(); }));
  }
  private tell(run: (listener: RunnerListener) => void): void {
    this.channel('back', this.agent, () => this.listener && run(this.listener));
  }

  request<Name extends RunnerRequestName>(name: Name, request: Request<Name>, options: { readonly timeoutMs: number; readonly socket?: BulkLink }): Promise<RunnerRequests[Name]['reply'] | Refusal> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new OperationError('connection-lost', `runner ${this.pid} is gone`, { effect: 'none' }));
      const fail = (error: OperationError): void => {
        this.open.delete(fail);
        timer.cancel();
        reject(error);
      };
      const timer = this.agent.timers.after(options.timeoutMs, () => fail(new OperationError('timeout', `runner: ${name} not answered within ${options.timeoutMs} ms`, { effect: 'unknown' })));
      this.open.add(fail);
      this.channel('there', this.proc, () => {
        this.turn = this.turn.then(() => this.serve(name, request, options.socket as SimLink | undefined)).then((value) => {
          if (name !== 'copy-begin' && name !== 'shadow-feed' && name !== 'shadow-follow') options.socket?.destroy();
          this.channel('back', this.agent, () => {
            if (!this.open.delete(fail)) return;
            timer.cancel();
            resolve(value as RunnerRequests[Name]['reply'] | Refusal);
          });
        });
      });
    });
  }

  private async serve(name: RunnerRequestName, request: object, link: SimLink | undefined): Promise<Answer> {
    switch (name) {
      case 'prepare':
        await this.work(this.world.dice.between(2, 30));
        this.program = (request as Request<'prepare'>).program;
        return null;
      case 'start': return this.begin('running');
      case 'resume': return this.begin('running');
      case 'freeze': return this.freeze();
      case 'checkpoint-begin': return null;
      case 'capture': return this.capture((request as Request<'capture'>).pendingOutputs);
      case 'encode': return this.encode(request as Request<'encode'>);
      case 'shadow-feed': return this.shadowFeed(request as Request<'shadow-feed'>, link!);
      case 'shadow-durable': return this.shadowDurable(request as Request<'shadow-durable'>);
      case 'shadow-follow': return this.shadowFollow(link!);
      case 'shadow-promote': return this.shadowPromote(request as Request<'shadow-promote'>);
      case 'copy-begin': return this.copyBegin(link!);
      case 'copy-final': return this.copyFinal((request as Request<'copy-final'>).pendingOutputs);
      case 'copy-cancel': return this.copyCancel();
      case 'restore': return this.restoreParts(request as Request<'restore'>);
      case 'receive': return this.receive(link!);
      case 'stop': return this.begin('frozen');
    }
  }

  private work(ms: number): Promise<void> {
    return new Promise((resolve) => { this.proc.timers.after(ms, resolve); });
  }

  private begin(standing: 'running' | 'frozen'): null {
    this.standing = standing;
    this.step();
    return null;
  }

  private async freeze(): Promise<null> {
    if (this.standing === 'running' && this.working) await new Promise<void>((resolve) => (this.onSafepoint = resolve));
    this.standing = 'frozen';
    this.queue = [];
    return null;
  }

  private mark(parts: readonly Uint8Array[]): SnapshotMark {
    const { cursorSeq, outN, chainHash } = this.state;
    return { cursorSeq, outN, chainHash, digest: sha256(...parts), bytes: parts.reduce((sum, part) => sum + part.length, 0) };
  }
  private parts(pendingOutputs: readonly ThreadOutput[]): Uint8Array[] {
    return snapshotOf(this.program!.thread, this.program!.sha256, this.state, pendingOutputs);
  }

  private async capture(pendingOutputs: readonly ThreadOutput[]): Promise<Answer> {
    await this.work(this.world.dice.between(0.2, 2));
    this.captured = { state: { ...this.state }, pendingOutputs };
    const { cursorSeq, outN, chainHash } = this.state;
    return { cursorSeq, outN, chainHash };
  }

  private async encode({ k, parent }: Request<'encode'>): Promise<Answer> {
    const { captured } = this;
    if (!captured) return refuse('conflict', 'nothing was captured');
    await this.work(this.world.dice.between(0.5, 5));
    const before = this.checkpointed;
    const upon = before && before.k === parent ? before : undefined;
    const thread = this.program!.thread;
    const part = toyPart(thread, { k, ...captured }, upon);
    const at = { k, ...captured, digest: stateDigestOf(thread, captured) };
    this.captured = undefined;
    this.checkpointed = at;
    this.feed_?.encoded(at, before ? toyPart(thread, at, before) : undefined, before?.k ?? 0, toyPart(thread, at, undefined));
    return { parts: [part], bytes: part.length, digest: at.digest, parent: upon?.k ?? 0, ...(before ? { dirtyBytes: 4_096 } : {}) };
  }

  private async restoreParts({ parts, digest }: Request<'restore'>): Promise<RestoredMark | Refusal> {
    let held: ToyState | undefined;
    for (const bytes of parts) {
      const next = appliedPart(bytes, held, { trusting: digest === '' });
      if (isRefusal(next)) return next;
      held = next;
    }
    return this.become(held!, digest);
  }

  private async become(held: ToyState, digest: Sha256 | ''): Promise<RestoredMark | Refusal> {
    await this.work(this.world.dice.between(1, 20));
    const found = stateDigestOf(this.program!.thread, held);
    if (digest !== '' && found !== digest) return refuse('digest-mismatch', `the rebuilt state has the digest ${found}, its checkpoint ${digest}`, 'digest');
    this.state = { ...held.state };
    this.standing = 'frozen';
    return { ...this.mark(this.parts(held.pendingOutputs)), pendingOutputs: held.pendingOutputs };
  }

  private async shadowFeed(durable: Request<'shadow-feed'>, link: SimLink): Promise<null> {
    this.feed_?.end();
    this.feed_ = new ToyFeed(this.program!.thread, link, this.checkpointed, durable, (progress) => this.tell((listener) => listener.onFeed?.(progress)));
    return null;
  }
  private async shadowDurable({ k, epoch }: Request<'shadow-durable'>): Promise<null> {
    this.feed_?.durable(k, epoch);
    return null;
  }
  private async shadowFollow(link: SimLink): Promise<null> {
    this.shadow ??= new ToyShadow(this.program!.thread, (progress) => this.tell((listener) => listener.onShadow?.(progress)), this.trusting);
    this.shadow.follow(link);
    return null;
  }
  private async shadowPromote({ k, digest }: Request<'shadow-promote'>): Promise<RestoredMark | Refusal> {
    const held = this.shadow?.promoted();
    this.shadow = undefined;
    if (!held || held.k !== k) return refuse('conflict', `the shadow holds checkpoint ${held?.k ?? 0}, not ${k}`, 'k');
    const mark = await this.become(held, this.trusting ? '' : digest);
    if (!isRefusal(mark)) this.world.onPromoted();
    return mark;
  }
  private captured: Omit<ToyState, 'k'> | undefined;
  private checkpointed: ToyCheckpoint | undefined;
  private feed_: ToyFeed | undefined;
  private shadow: ToyShadow | undefined;
  /** For a planted bug: takes deltas as they come, and asks for no digest. */
  trusting = false;
  private copyLink: SimLink | undefined;
  /** The toy's state is small: all of it is copied during the freeze, which may come at any time. */
  private async copyBegin(link: SimLink): Promise<null> {
    this.copyCancel();
    this.copyLink = link;
    this.tell((listener) => listener.onCopy?.({ state: 'ready', rounds: 1, imageBytes: 0, dirtyBytes: 0, wireBytes: 0, bytesPerSecond: 0, dirtyBytesPerSecond: 0, dutyRatio: 1 }));
    return null;
  }
  private copyCancel(): null {
    this.copyLink?.destroy();
    this.copyLink = undefined;
    return null;
  }
  private async copyFinal(pendingOutputs: readonly ThreadOutput[]): Promise<Answer> {
    const link = this.copyLink;
    if (!link) return refuse('conflict', 'no copy was begun');
    await this.work(this.world.dice.between(1, 20));
    const parts = this.parts(pendingOutputs);
    link.send(Uint8Array.from(parts.flatMap((part) => [...part])));
    this.copyCancel();
    const mark = this.mark(parts);
    return { ...mark, rounds: 1, frozenBytes: mark.bytes };
  }
  private async receive(link: SimLink): Promise<Answer> {
    const bytes = await link.receive();
    return bytes ? this.restore(bytes) : refuse('connection-lost', 'the stream ended before its end');
  }
  private async restore(bytes: Uint8Array): Promise<RestoredMark | Refusal> {
    await this.work(this.world.dice.between(1, 20));
    const snapshot = restored(bytes);
    if (!snapshot) return refuse('snapshot-damaged', 'snapshot: it cannot be decoded');
    this.state = { ...snapshot.state };
    this.standing = 'frozen';
    return { ...this.mark(this.parts(snapshot.pendingOutputs)), pendingOutputs: snapshot.pendingOutputs };
  }

  feed(records: readonly InputRecord[]): void {
    this.channel('there', this.proc, () => {
      if (this.standing === 'frozen') return; // dropped: whoever resumes feeds again
      this.queue.push(...records);
      this.step();
    });
  }

  private step(): void {
    if (this.standing !== 'running' || this.working || this.queue.length === 0) return;
    this.working = true;
    this.proc.timers.after(this.world.dice.between(WORK_MS / 2, WORK_MS * 2), () => {
      this.working = false;
      const record = this.queue.shift();
      if (record && this.standing === 'running') this.execute(record);
      this.onSafepoint?.();
      this.onSafepoint = undefined;
      this.step();
    });
  }

  private execute(record: InputRecord): void {
    this.world.onExecuted(this, record);
    const nonce = this.world.isRandom(this.program!.thread) ? String(this.world.dice.whole(0, 1e9)) : '';
    const outputs = apply(this.state, record, nonce);
    this.tell((listener) => listener.onConsumed(record.seq));
    for (const output of outputs) this.tell((listener) => listener.onOutput(output));
  }

  /** For planted bugs: how the program stands. */
  get stands(): ProgramState {
    return this.state;
  }
  set stands(state: ProgramState) {
    this.state = state;
  }

  setDuty(): void {
    // The toy program is never held back.
  }
  sampleEvery(): void {
    // Nothing reads its counters.
  }
  suspend(): void {
    this.suspended = true;
    this.proc.pause();
  }
  continue(): void {
    this.suspended = false;
    this.proc.wake();
  }
  /** A pause that was not the agent's ends. */
  wake(): void {
    if (!this.suspended) this.proc.wake();
  }
  end(): void {
    this.ended = true;
    this.gone('it was ended');
  }
  /** The process dies by itself. */
  die(): void {
    if (!this.proc.alive) return;
    const unasked = !this.ended;
    this.gone('the process died');
    if (unasked) this.tell((listener) => listener.onDied(`runner ${this.pid} ended with SIGKILL`));
    this.ended = true;
  }
  private gone(reason: string): void {
    if (!this.proc.alive) return;
    this.feed_?.gone();
    this.shadow?.gone();
    this.proc.crash();
    this.channel('back', this.agent, () => {
      for (const fail of [...this.open]) fail(new OperationError('connection-lost', `runner ${this.pid}: ${reason}`, { effect: 'unknown' }));
    });
  }
}

export const PROGRAM = 'c'.repeat(64) as Sha256;
