/**
 * One thread on this device: from `run` or `prepare` until it is retired. Owns: the runner, the appender of its epoch,
 * what is not yet acknowledged; long because all that changes a thread's standing is here (H5). Does not own: who should own the thread (the journal says), when to move (the controller).
 *
 * Invariants:
 *  H1. Nothing is appended but through the appender of the adopted owner record.
 *  H2. An output leaves `unacked` only when the journal has it; a snapshot carries what is in `unacked`.
 *  H3. Of a thread that is not deterministic nothing is appended before the checkpoint that covers it is durable.
 *  H4. A fenced host executes again only when the very next epoch is this device's again (a migration that was rolled back
 *      before its freeze), so that nobody has executed the thread in between; else it waits to be retired.
 *  H6. A host that was told to stand still does not execute, whatever it was doing when it was told.
 *  H5. What changes the host's standing (own, freeze, thaw, checkpoint, end) happens one after the other.
 */
import { isRefusal, OperationError, refuse, type DurationMs, type MonotonicMs, type Refusal, type Sha256, type Timer } from '@godwit/kernel';
import type { AppendOutcome, Fence, FencedAppender, Journal, ThreadAddress } from '@godwit/journal';
import type { StartedFrom } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import type { CapturedMark, CopiedMark, CopyProgress, RestoredMark, RuntimeSample, ThreadProgram } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import type { BulkLink, Runner } from '../ports.js';
import { Checkpointer } from './checkpointer.js';
import { COPY_MS, Copying, type CopyOptions } from './copying.js';
import { Feeding, type FeedOrder } from './feeding.js';
import type { HostDependencies, HostState } from './host-dependencies.js';
import { InputPump } from './input-pump.js';
import { LatencyWindow } from './latency.js';
import { OutputQueue } from './output-queue.js';
import { Restoring } from './restoring.js';

const PREPARE_MS: DurationMs = 20_000;
const FREEZE_MS: DurationMs = 10_000;
const RESTORE_MS: DurationMs = 30_000;
/** Outputs that may wait for the journal before the thread is slowed at its safepoints, and when it is let go again. */
const UNACKED_HIGH = 4_000;
const UNACKED_LOW = 1_000;
const SLOWED_DUTY = 0.02;

export class ThreadHost {
  state: HostState = 'preparing';
  fault: Refusal | undefined;
  fence: Fence | undefined;
  sample: RuntimeSample | undefined;
  /** Cores that the controller lets it use; undefined for no throttle. */
  throttleCores: number | undefined;
  readonly latency = new LatencyWindow();
  /** What it began with; undefined before. */
  startedFrom: StartedFrom | undefined;
  readonly checkpoints: Checkpointer;
  readonly feeding: Feeding;
  outputs = 0;
  /** Appends that the broker refused, over all epochs of this host. */
  refusedAppends = 0;
  outN = 0;
  cursorSeq = 0;
  private readonly address: ThreadAddress;
  private appender: FencedAppender | undefined;
  private pump: InputPump | undefined;
  private readonly queue: OutputQueue;
  private restored: { readonly mark: RestoredMark; readonly from: 'copy' | 'shadow' } | undefined;
  private timers: Timer[] = [];
  private slowed = false;
  private checkpointing = false;
  /** How long the thread stood still for its last checkpoint. */
  checkpointFreezeMs: DurationMs | undefined;
  private mustStand = false;
  private turn: Promise<unknown> = Promise.resolve();
  private duty = 1;
  private exitCode: number | undefined;
  private readonly copying: Copying;

  constructor(readonly spec: ThreadSpec, readonly runner: Runner, private readonly deps: HostDependencies) {
    this.address = { shard: spec.shard, thread: spec.thread };
    this.checkpoints = new Checkpointer(spec, runner, deps);
    this.feeding = new Feeding(spec, runner, { clock: deps.clock, log: deps.log, onChange: () => { if (this.state === 'running') this.beginTimers(); } });
    this.copying = new Copying(runner, deps.timers);
    this.queue = new OutputQueue(spec.deterministic, {
      onAcked: (output, appender, outcome) => this.onAcked(output, appender, outcome), onFenced: () => this.onFenced(), onFault: (refusal) => this.onFault(refusal),
    });
    runner.listen({
      onOutput: (output) => this.onOutput(output),
      onConsumed: (seq) => this.onConsumed(seq),
      onSample: (sample) => (this.sample = sample),
      onFault: (refusal) => this.onFault(refusal),
      onExit: (code) => this.onExit(code),
      onCopy: (progress) => this.copying.heard(progress),
      onFeed: (progress) => this.feeding.heard(progress),
      // The process, not the program: begun anew from the checkpoint.
      onDied: (reason) => this.onFault(refuse('internal', reason)),
    });
  }

  get pid(): number {
    return this.runner.pid;
  }
  /**
   * Outputs of a host that was overtaken while it ran, which it has not appended and never will: when it hears of the
   * newer owner before the broker has refused them, it refuses them itself. A frozen host handed them over.
   */
  get withheldOutputs(): number {
    return this.state === 'running' || this.state === 'suspended' ? this.queue.length : 0;
  }
  get backlogRecords(): number {
    return this.pump?.backlog ?? 0;
  }
  get inputs(): InputPump | undefined {
    return this.pump;
  }

  /** One change of standing at a time (H5). */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.turn.then(work, work);
    this.turn = run.catch(() => undefined); // the caller of `work` gets the failure; the next in line must not
    return run;
  }

  prepare(program: ThreadProgram): Promise<void | Refusal> {
    return this.inTurn(async () => {
      const refusal = await this.runner.request('prepare', { program }, { timeoutMs: PREPARE_MS });
      if (isRefusal(refusal)) return refusal;
      this.state = 'staged';
      return undefined;
    });
  }

  /** The target's side of a copy. */
  receive(socket: BulkLink): Promise<RestoredMark | Refusal> {
    return this.inTurn(async () => {
      const maxBytes = this.spec.limits.memoryBytes * 2 + this.spec.limits.stackBytes + 64 * 1024 * 1024;
      const mark = await this.runner.request('receive', { maxBytes, timeoutMs: COPY_MS }, { timeoutMs: COPY_MS, socket });
      if (!isRefusal(mark)) this.restored = { mark, from: 'copy' };
      return mark;
    });
  }

  /** The runner holds a shadow of the thread at checkpoint `k`: it becomes the staged state, where that may be gone on from. */
  takeShadow(held: { readonly k: number; readonly digest: Sha256 }): Promise<void | Refusal> {
    return this.inTurn(async () => {
      this.state = 'staged';
      const mark = await new Restoring(this.spec, this.runner, this.deps).fromShadow(held);
      if (isRefusal(mark)) return mark;
      this.restored = { mark, from: 'shadow' };
      return undefined;
    });
  }

  /**
   * Executes as the owner of `fence`: from the staged copy where there is one, else from the newest checkpoint that can
   * be restored, else from the beginning. Resolves when the program runs.
   */
  own(fence: Fence): Promise<void | Refusal> {
    return this.inTurn(async () => {
      if (this.fence) return this.ownsAlready(fence);
      const mark = this.restored?.mark ?? (await new Restoring(this.spec, this.runner, this.deps).fromJournal());
      if (isRefusal(mark)) return mark;
      this.checkpoints.k = (await this.deps.journal.tail(this.address)).k;
      await this.deps.ownLog.adopted(this.address, fence);
      this.adopt(fence);
      this.outN = mark?.outN ?? 0;
      this.cursorSeq = mark?.cursorSeq ?? 0;
      this.openPump(await this.deps.journal.read(this.address, { afterSeq: this.cursorSeq, subscribes: this.spec.subscribes }));
      // H3: a checkpoint covers what it carries; a staged copy is on no disk yet.
      const covered = this.spec.deterministic || this.restored?.from !== 'copy';
      for (const output of mark?.pendingOutputs ?? []) if (covered) this.queue.append(output); else this.queue.made(output);
      // From here to the end nothing else is waited for: a device that loses its lease meanwhile stops the thread at once.
      const refusal = await this.runner.request(mark ? 'resume' : 'start', {}, { timeoutMs: RESTORE_MS });
      if (isRefusal(refusal)) return refusal;
      this.nowRunning();
      this.startedFrom = this.restored?.from ?? (mark ? 'checkpoint' : 'beginning');
      this.restored = undefined;
      this.beginTimers();
      return undefined;
    });
  }

  /** Asked a second time: a copy is owned once, or a record would be fed by two pumps. */
  private ownsAlready(fence: Fence): void | Refusal {
    if (this.fence?.epoch === fence.epoch && (this.state === 'running' || this.state === 'suspended')) return undefined;
    return refuse('conflict', `thread ${this.spec.thread} is ${this.state} in epoch ${this.fence?.epoch ?? 0} already`);
  }

  private adopt(fence: Fence): void {
    this.appender?.close();
    this.fence = fence;
    this.appender = this.deps.journal.fencedAppender(this.address, fence);
    this.queue.adopt(this.appender);
  }

  private openPump(reader: Awaited<ReturnType<Journal['read']>>): void {
    this.pump = new InputPump(this.spec.thread, reader, (records) => this.runner.feed(records), (error) => this.onFault(refuse('connection-lost', `inputs: ${error.message}`)));
    this.pump.start();
  }

  // --- outputs ---

  private onOutput(output: ThreadOutput): void {
    this.outN = Math.max(this.outN, output.n);
    this.queue.made(output);
    if (!this.slowed && this.queue.length > UNACKED_HIGH) this.slow(true);
  }

  private onAcked(output: ThreadOutput, { fence }: FencedAppender, outcome: AppendOutcome & { readonly seq: number }): void {
    this.deps.ownLog.appended(this.address, fence, output, outcome.seq);
    this.outputs++;
    const causedAtMs = this.pump?.stampOf(output.causedBySeq);
    if (outcome.result === 'appended' && causedAtMs !== undefined) this.latency.add(Math.max(0, this.deps.clock.nowMs() - causedAtMs));
    if (this.slowed && this.queue.unackedLength < UNACKED_LOW) this.slow(false);
    if (output.exit && this.queue.unackedLength === 0) this.finishExit();
  }

  private slow(slowed: boolean): void {
    this.slowed = slowed;
    this.runner.setDuty(slowed ? SLOWED_DUTY : this.duty);
  }

  private onConsumed(seq: number): void {
    this.cursorSeq = Math.max(this.cursorSeq, seq);
    this.pump?.onConsumed(seq);
  }

  private onExit(code: number): void {
    this.exitCode = code;
    // Nothing will be executed again, so nothing can come out differently: what is held goes out as one batch.
    this.queue.release(this.queue.uncovered());
    if (this.queue.unackedLength === 0) this.finishExit();
  }

  private finishExit(): void {
    if (this.state === 'exited' || this.exitCode === undefined) return;
    this.state = 'exited';
    this.stopTimers();
    this.deps.tell('exited');
  }

  private onFault(refusal: Refusal): void {
    if (this.state === 'ended' || this.state === 'faulted' || this.state === 'fenced') return;
    this.state = 'faulted';
    this.fault = refusal;
    this.copying.heard(refusal);
    this.stopTimers();
    this.runner.suspend(); // what it would do from now on nobody would take
    this.deps.log.error({ thread: this.spec.thread, code: refusal.code, reason: refusal.reason }, 'thread faulted');
    this.deps.tell('faulted', refusal);
  }

  private onFenced(): void {
    this.refusedAppends++;
    // One whose runner died has nothing to go on with, whoever owns it next.
    if (this.state === 'frozen' || this.state === 'fenced' || this.state === 'faulted' || this.state === 'ended') return;
    this.state = 'fenced';
    this.stopTimers();
    this.runner.suspend();
    this.deps.log.warn({ thread: this.spec.thread, epoch: this.fence?.epoch }, 'a newer owner exists; stopped');
    this.deps.tell('fenced', refuse('stale-epoch', 'the broker refused an append: the thread has a newer owner'));
  }

  // --- freeze and thaw ---

  /**
   * Copies the state while the thread runs. Resolves when a freeze would be inside the budget (the copy is kept near until
   * then), or with why it never will be. Checkpoints go on meanwhile.
   */
  async copyLive(link: BulkLink, options: CopyOptions): Promise<CopyProgress | Refusal> {
    const ready = this.copying.readiness(options);
    const begun = await this.inTurn(async () => (this.state === 'running' ? this.copying.begin(link, options) : refuse('conflict', `thread ${this.spec.thread} is ${this.state}, not running`)));
    if (!isRefusal(begun)) return ready;
    link.destroy();
    this.copying.heard(begun);
    return begun;
  }

  /** Stops at a safepoint and copies what is left; stays frozen, whatever comes of it. */
  freezeAndFinish(): Promise<{ mark: CopiedMark; frozenAtMs: MonotonicMs } | Refusal> {
    return this.inTurn(async () => {
      if (this.state !== 'running' && this.state !== 'frozen') return refuse('conflict', `thread ${this.spec.thread} is ${this.state}, not running`);
      if (!this.copying.underWay) return refuse('conflict', `no copy of thread ${this.spec.thread} was begun`);
      this.stopTimers();
      const stoppedAtMs = this.deps.clock.monotonicMs();
      const refusal = await this.freeze();
      if (isRefusal(refusal)) return refusal;
      const mark = await this.copying.finish(this.queue.pending());
      return isRefusal(mark) ? mark : { mark, frozenAtMs: stoppedAtMs };
    });
  }

  private async freeze(): Promise<void | Refusal> {
    this.pump?.pause();
    const refusal = await this.runner.request('freeze', {}, { timeoutMs: FREEZE_MS });
    if (isRefusal(refusal)) return refusal;
    if (this.state === 'running') this.state = 'frozen';
    return undefined;
  }

  /**
   * Goes on as the owner of a new epoch, after a rollback or a re-grant. One that was rolled back before its freeze runs
   * already, unless the broker was quicker to refuse its outputs under the old epoch.
   */
  thaw(fence: Fence): Promise<void | Refusal> {
    return this.inTurn(async () => {
      const before = this.state;
      if (before !== 'frozen' && this.fence && this.fence.epoch >= fence.epoch) return undefined;
      if (!this.isNext(fence)) return refuse('conflict', `thread ${this.spec.thread} is ${before} in epoch ${this.fence?.epoch ?? 0}; it cannot go on in epoch ${fence.epoch}`);
      await this.deps.ownLog.adopted(this.address, fence);
      if (this.isEnded()) return refuse('conflict', `thread ${this.spec.thread} was ended while it was thawed`);
      this.adopt(fence);
      this.copying.cancel((error) => this.deps.log.warn({ thread: this.spec.thread, reason: error.message }, 'copy not cancelled'));
      this.queue.again();
      if (before === 'frozen') await this.resume();
      if (before === 'fenced') this.runner.continue();
      this.nowRunning();
      this.beginTimers();
      return undefined;
    });
  }

  private isEnded(): boolean {
    return this.state === 'ended';
  }
  /** H4: has nobody else executed the thread between our epoch and this one? */
  private isNext(fence: Fence): boolean {
    return (this.state === 'running' || this.state === 'frozen' || this.state === 'suspended' || this.state === 'fenced') && fence.epoch === (this.fence?.epoch ?? 0) + 1;
  }

  private async resume(): Promise<void> {
    await this.runner.request('resume', {}, { timeoutMs: RESTORE_MS });
    this.pump?.refeed(this.cursorSeq);
  }

  /** The device lost its lease: not one instruction more, until it is known who owns the thread. */
  suspend(): void {
    this.mustStand = true;
    if (this.state !== 'running') return;
    this.state = 'suspended';
    this.runner.suspend();
  }
  unsuspend(): void {
    this.mustStand = false;
    if (this.state !== 'suspended') return;
    this.state = 'running';
    this.runner.continue();
  }
  private nowRunning(): void {
    this.state = 'running';
    if (this.mustStand) this.suspend();
  }

  // --- timers and checkpoints ---

  private beginTimers(): void {
    this.stopTimers();
    this.timers.push(this.deps.timers.every(this.feeding.checkpointMs, () => void this.timedCheckpoint()));
    if (this.spec.tickMs > 0) this.timers.push(this.deps.timers.every(this.spec.tickMs, () => void this.tick()));
  }
  private stopTimers(): void {
    for (const timer of this.timers.splice(0)) timer.cancel();
  }

  /** One that takes longer than its period is not followed by a queue of others. */
  private async timedCheckpoint(): Promise<void> {
    if (this.checkpointing) return;
    this.checkpointing = true;
    try {
      await this.checkpoint();
    } finally {
      this.checkpointing = false;
    }
  }

  /** Gives every checkpoint to the shadow at the other end of `link`, as often as the order says. */
  feedShadow(link: BulkLink, order: FeedOrder): Promise<void | Refusal> {
    return this.inTurn(async () => {
      if (!this.fence) return refuse('conflict', `thread ${this.spec.thread} is ${this.state}`);
      return this.feeding.begin(link, order, { k: this.checkpoints.k, epoch: this.fence.epoch });
    });
  }

  private async tick(): Promise<void> {
    const appender = this.appender;
    if (this.state !== 'running' || !appender) return;
    const id = `tick-${Math.floor(this.deps.clock.nowMs() / this.spec.tickMs)}`;
    try {
      const outcome = await this.append(() => appender.appendTimer(id as never));
      if (outcome.result === 'fenced' && appender === this.appender) this.onFenced();
    } catch (error) {
      this.deps.log.warn({ thread: this.spec.thread, err: error }, 'tick not appended');
    }
  }

  /** Takes, stores and journals a checkpoint when something has happened since the last. @param force also when nothing has */
  checkpoint(force = false): Promise<void> {
    return this.inTurn(async () => {
      try {
        const refusal = await this.takeCheckpoint(force);
        if (isRefusal(refusal)) this.deps.log.warn({ thread: this.spec.thread, code: refusal.code, reason: refusal.reason }, 'no checkpoint');
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        this.deps.log.warn({ thread: this.spec.thread, code: error.code, reason: error.message }, 'no checkpoint');
      }
    });
  }

  private async takeCheckpoint(force: boolean): Promise<void | Refusal> {
    const fence = this.fence;
    if (this.state !== 'running' || !fence || !this.appender) return undefined;
    const covered = this.queue.uncovered();
    const outcome = await this.checkpoints.take({
      fence, stand: { cursorSeq: this.cursorSeq, outN: this.outN }, force, capture: () => this.captureRunning(), append: (record) => this.append((appender) => appender.appendCheckpoint(record)),
    });
    if (isRefusal(outcome)) return outcome;
    if (outcome?.result === 'fenced') return this.onFenced();
    if (outcome?.result === 'diverged') return outcome.refusal;
    if (outcome) {
      this.deps.ownLog.checkpointed(this.address, outcome.seq);
      this.queue.release(covered); // H3
    }
    this.feeding.durable(this.checkpoints.k, fence.epoch);
    return undefined;
  }

  /** A short stop: what changed is copied aside while frozen, everything else happens while the thread runs again. */
  private async captureRunning(): Promise<CapturedMark | Refusal> {
    const stoppedAtMs = this.deps.clock.monotonicMs();
    try {
      const refusal = await this.freeze();
      return isRefusal(refusal) ? refusal : await this.runner.request('capture', { pendingOutputs: this.queue.pending() }, { timeoutMs: COPY_MS });
    } finally {
      await this.resumeOrFault();
      this.checkpointFreezeMs = this.deps.clock.monotonicMs() - stoppedAtMs;
      if (this.state === 'frozen') this.nowRunning();
    }
  }

  /** Also after a freeze that was not answered: it may come late, and nobody else would end it. */
  private async resumeOrFault(): Promise<void> {
    try {
      await this.resume();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.onFault(refuse(error.code, `the runner does not resume: ${error.message}`));
    }
  }

  /** An appender that has failed appends nothing more: without this the thread would go on for nothing. */
  private async append(work: (appender: FencedAppender) => Promise<AppendOutcome>): Promise<AppendOutcome> {
    const appender = this.appender!;
    try {
      return await work(appender);
    } catch (error) {
      if (error instanceof OperationError && appender === this.appender) this.onFault(refuse('connection-lost', error.message));
      throw error;
    }
  }

  setDuty(ratio: number): void {
    this.duty = ratio;
    if (!this.slowed) this.runner.setDuty(ratio);
  }

  async end(): Promise<void> {
    this.state = 'ended';
    this.copying.heard(refuse('conflict', `thread ${this.spec.thread} was ended here`));
    this.stopTimers();
    this.appender?.close();
    this.runner.end();
    await this.pump?.close();
  }
}
