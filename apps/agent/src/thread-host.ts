/**
 * One thread on this device: from `run` or `prepare` until it is retired. Owns: the runner, the appender of its epoch,
 * what is not yet acknowledged. Does not own: who should own the thread (the journal says), when to move (the controller).
 *
 * Invariants:
 *  H1. Nothing is appended but through the appender of the adopted owner record.
 *  H2. An output leaves `unacked` only when the journal has it; a snapshot carries what is in `unacked`.
 *  H3. Of a thread that is not deterministic nothing is appended before the checkpoint that covers it is durable.
 *  H4. A fenced host never executes again; it waits to be retired.
 *  H5. What changes the host's standing (own, freeze, thaw, checkpoint, end) happens one after the other.
 */
import { isRefusal, OperationError, refuse, type DurationMs, type MonotonicMs, type Refusal } from '@godwit/kernel';
import type { AppendOutcome, Fence, FencedAppender, Journal, Stored, CheckpointRecord, ThreadAddress } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { RestoredMark, RuntimeSample, SnapshotMark, ThreadProgram } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import type { Socket } from 'node:net';
import { DirtyRate } from './dirty-rate.js';
import type { HostDependencies, HostState } from './host-dependencies.js';
import { InputPump } from './input-pump.js';
import { LatencyWindow } from './latency.js';
import type { RunnerProcess } from '@godwit/runner-host';

const PREPARE_MS: DurationMs = 20_000;
const FREEZE_MS: DurationMs = 10_000;
const COPY_MS: DurationMs = 30_000;
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
  readonly dirty = new DirtyRate();
  outputs = 0;
  /** Appends that the broker refused, over all epochs of this host. */
  refusedAppends = 0;
  outN = 0;
  cursorSeq = 0;
  private readonly address: ThreadAddress;
  private appender: FencedAppender | undefined;
  private pump: InputPump | undefined;
  private unacked: ThreadOutput[] = [];
  private held: ThreadOutput[] = [];
  private k = 0;
  private restored: RestoredMark | undefined;
  private checkpointTimer: NodeJS.Timeout | undefined;
  private tickTimer: NodeJS.Timeout | undefined;
  private checkpointedAt = { cursorSeq: -1, outN: -1 };
  private slowed = false;
  private turn: Promise<unknown> = Promise.resolve();
  private duty = 1;
  private exitCode: number | undefined;

  constructor(readonly spec: ThreadSpec, readonly runner: RunnerProcess, private readonly deps: HostDependencies) {
    this.address = { shard: spec.shard, thread: spec.thread };
    runner.listen({
      onOutput: (output) => this.onOutput(output),
      onConsumed: (seq) => this.onConsumed(seq),
      onSample: (sample) => (this.sample = sample),
      onFault: (refusal) => this.onFault(refusal),
      onExit: (code) => this.onExit(code),
      onDied: (reason) => this.onFault(refuse('thread-fault', reason)),
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
    return this.state === 'running' || this.state === 'suspended' ? this.unacked.length + this.held.length : 0;
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
  receive(socket: Socket): Promise<RestoredMark | Refusal> {
    return this.inTurn(async () => {
      const maxBytes = this.spec.limits.memoryBytes * 2 + this.spec.limits.stackBytes + 64 * 1024 * 1024;
      const mark = await this.runner.request('receive', { maxBytes, timeoutMs: COPY_MS }, { timeoutMs: COPY_MS, socket });
      if (!isRefusal(mark)) this.restored = mark;
      return mark;
    });
  }

  /**
   * Executes as the owner of `fence`: from the staged copy where there is one, else from the newest checkpoint that can
   * be restored, else from the beginning. Resolves when the program runs.
   */
  own(fence: Fence): Promise<void | Refusal> {
    return this.inTurn(async () => {
      const mark = this.restored ?? (await this.restoreFromJournal());
      if (isRefusal(mark)) return mark;
      await this.deps.ownLog.adopted(this.address, fence);
      this.adopt(fence);
      this.outN = mark?.outN ?? 0;
      this.cursorSeq = mark?.cursorSeq ?? 0;
      this.openPump(await this.deps.journal.read(this.address, { afterSeq: this.cursorSeq, subscribes: this.spec.subscribes }));
      for (const output of mark?.pendingOutputs ?? []) this.enqueue(output);
      if (mark) await this.runner.request('resume', {}, { timeoutMs: RESTORE_MS });
      else {
        const refusal = await this.runner.request('start', {}, { timeoutMs: RESTORE_MS });
        if (isRefusal(refusal)) return refusal;
      }
      this.state = 'running';
      this.restored = undefined;
      this.k = (await this.deps.journal.tail(this.address)).k;
      this.beginTimers();
      return undefined;
    });
  }

  private adopt(fence: Fence): void {
    this.appender?.close();
    this.fence = fence;
    this.appender = this.deps.journal.fencedAppender(this.address, fence);
  }

  private openPump(reader: Awaited<ReturnType<Journal['read']>>): void {
    this.pump = new InputPump(this.spec.thread, reader, (records) => this.runner.feed(records), (error) => this.onFault(refuse('connection-lost', `inputs: ${error.message}`)));
    this.pump.start();
  }

  /** Undefined: from the beginning. */
  private async restoreFromJournal(): Promise<RestoredMark | undefined | Refusal> {
    const known = await this.deps.journal.checkpoints(this.address, 2);
    let last: Refusal | undefined;
    for (const checkpoint of known) {
      const mark = await this.restoreCheckpoint(checkpoint);
      if (!isRefusal(mark)) return mark;
      last = mark;
      this.deps.log.warn({ thread: this.spec.thread, k: checkpoint.record.k, reason: mark.reason }, 'checkpoint not usable');
    }
    // With one checkpoint at most nothing has been purged yet: the whole input is still there.
    return known.length < 2 ? undefined : last;
  }

  private async restoreCheckpoint({ record }: Stored<CheckpointRecord>): Promise<RestoredMark | Refusal> {
    const bytes = await this.deps.checkpoints.read(this.spec.thread, record);
    return isRefusal(bytes) ? bytes : this.runner.request('restore', { bytes }, { timeoutMs: RESTORE_MS });
  }

  // --- outputs ---

  private onOutput(output: ThreadOutput): void {
    this.outN = Math.max(this.outN, output.n);
    if (!this.spec.deterministic) this.held.push(output);
    else this.enqueue(output);
    if (!this.slowed && this.unacked.length + this.held.length > UNACKED_HIGH) this.slow(true);
  }

  private enqueue(output: ThreadOutput): void {
    this.unacked.push(output);
    const appender = this.appender;
    if (!appender) return;
    appender.appendOutputs([output]).then(
      (outcome) => this.onAppended(appender, output, outcome),
      (error: Error) => this.onFault(refuse('connection-lost', `output ${output.n}: ${error.message}`)),
    );
  }

  private onAppended(appender: FencedAppender, output: ThreadOutput, outcome: AppendOutcome): void {
    if (appender !== this.appender) return; // of an epoch that has ended; `thaw` appends again what was not acknowledged
    if (outcome.result === 'fenced') return this.onFenced();
    if (outcome.result === 'diverged') return this.onFault(outcome.refusal);
    this.unacked = this.unacked.filter(({ n }) => n !== output.n);
    this.deps.ownLog.appended(this.address, appender.fence, output, outcome.seq);
    this.outputs++;
    const causedAtMs = this.pump?.stampOf(output.causedBySeq);
    if (outcome.result === 'appended' && causedAtMs !== undefined) this.latency.add(Math.max(0, this.deps.clock.nowMs() - causedAtMs));
    if (this.slowed && this.unacked.length < UNACKED_LOW) this.slow(false);
    if (output.exit && this.unacked.length === 0) this.finishExit();
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
    this.release([...this.held]);
    if (this.unacked.length === 0) this.finishExit();
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
    this.stopTimers();
    this.deps.log.error({ thread: this.spec.thread, code: refusal.code, reason: refusal.reason }, 'thread faulted');
    this.deps.tell('faulted', refusal);
  }

  private onFenced(): void {
    this.refusedAppends++;
    if (this.state === 'frozen' || this.state === 'fenced' || this.state === 'ended') return;
    this.state = 'fenced';
    this.stopTimers();
    this.runner.suspend();
    this.deps.log.warn({ thread: this.spec.thread, epoch: this.fence?.epoch }, 'a newer owner exists; stopped');
    this.deps.tell('fenced', refuse('stale-epoch', 'the broker refused an append: the thread has a newer owner'));
  }

  // --- freeze and thaw ---

  /** Stops at a safepoint and sends the state; stays frozen, whatever comes of it. */
  freezeAndSend(connect: () => Promise<Socket>): Promise<{ mark: SnapshotMark; frozenAtMs: MonotonicMs } | Refusal> {
    return this.inTurn(async () => {
      if (this.state !== 'running' && this.state !== 'frozen') return refuse('conflict', `thread ${this.spec.thread} is ${this.state}, not running`);
      const socket = await connect();
      this.stopTimers();
      const stoppedAtMs = this.deps.clock.monotonicMs();
      const refusal = await this.freeze();
      if (isRefusal(refusal)) {
        socket.destroy();
        return refusal;
      }
      const mark = await this.runner.request('send', { pendingOutputs: [...this.unacked, ...this.held], compress: false, timeoutMs: COPY_MS }, { timeoutMs: COPY_MS, socket });
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

  /** Goes on as the owner of a new epoch, after a rollback or a re-grant. */
  thaw(fence: Fence): Promise<void | Refusal> {
    return this.inTurn(async () => {
      if (this.state !== 'frozen') return this.fence && this.fence.epoch >= fence.epoch ? undefined : refuse('conflict', `thread ${this.spec.thread} is ${this.state}, not frozen`);
      await this.deps.ownLog.adopted(this.address, fence);
      this.adopt(fence);
      const again = this.unacked;
      this.unacked = [];
      for (const output of again) this.enqueue(output);
      await this.resume();
      this.state = 'running';
      this.beginTimers();
      return undefined;
    });
  }

  private async resume(): Promise<void> {
    await this.runner.request('resume', {}, { timeoutMs: RESTORE_MS });
    this.pump?.refeed(this.cursorSeq);
  }

  /** The device lost its lease: not one instruction more, until it is known who owns the thread. */
  suspend(): void {
    if (this.state !== 'running') return;
    this.state = 'suspended';
    this.runner.suspend();
  }
  unsuspend(): void {
    if (this.state !== 'suspended') return;
    this.state = 'running';
    this.runner.continue();
  }

  // --- timers and checkpoints ---

  private beginTimers(): void {
    this.stopTimers();
    this.checkpointTimer = setInterval(() => void this.checkpoint(), this.spec.checkpointMs);
    if (this.spec.tickMs > 0) this.tickTimer = setInterval(() => void this.tick(), this.spec.tickMs);
  }
  private stopTimers(): void {
    clearInterval(this.checkpointTimer);
    clearInterval(this.tickTimer);
  }

  private async tick(): Promise<void> {
    const appender = this.appender;
    if (this.state !== 'running' || !appender) return;
    const id = `tick-${Math.floor(this.deps.clock.nowMs() / this.spec.tickMs)}`;
    try {
      const outcome = await appender.appendTimer(id as never);
      if (outcome.result === 'fenced' && appender === this.appender) this.onFenced();
    } catch (error) {
      this.deps.log.warn({ thread: this.spec.thread, err: error }, 'tick not appended');
    }
  }

  /** Takes, stores and journals a checkpoint when something has happened since the last. */
  checkpoint(): Promise<void> {
    return this.inTurn(async () => {
      try {
        const refusal = await this.takeCheckpoint();
        if (isRefusal(refusal)) this.deps.log.warn({ thread: this.spec.thread, code: refusal.code, reason: refusal.reason }, 'no checkpoint');
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        this.deps.log.warn({ thread: this.spec.thread, code: error.code, reason: error.message }, 'no checkpoint');
      }
    });
  }

  private async takeCheckpoint(): Promise<void | Refusal> {
    const fence = this.fence;
    if (this.state !== 'running' || !fence || !this.appender) return undefined;
    if (this.checkpointedAt.cursorSeq === this.cursorSeq && this.checkpointedAt.outN === this.outN) return undefined;
    const covered = [...this.held];
    const taken = await this.snapshotRunning();
    if (isRefusal(taken)) return taken;
    this.dirty.seen(taken.parts, this.deps.clock.monotonicMs());
    const k = this.k + 1;
    const written = await this.deps.checkpoints.write(this.spec.thread, { epoch: fence.epoch, k, parts: taken.parts });
    if (isRefusal(written)) return written;
    const outcome = await this.appender.appendCheckpoint({
      k, device: this.deps.device, runtime: this.spec.runtime, program: this.spec.program, cursorSeq: taken.cursorSeq, outN: taken.outN,
      chainHash: taken.chainHash, digest: taken.digest, bytes: taken.bytes, chunks: written.chunks,
    });
    if (outcome.result === 'fenced') return this.onFenced();
    if (outcome.result === 'diverged') return outcome.refusal;
    this.deps.ownLog.checkpointed(this.address, outcome.seq);
    this.k = k;
    this.checkpointedAt = { cursorSeq: taken.cursorSeq, outN: taken.outN };
    this.release(covered);
    return undefined;
  }

  /** A short stop: the snapshot is copied out while frozen, everything else happens while the thread runs again. */
  private async snapshotRunning(): Promise<(SnapshotMark & { readonly parts: readonly Uint8Array[] }) | Refusal> {
    const refusal = await this.freeze();
    if (isRefusal(refusal)) return refusal;
    try {
      return await this.runner.request('snapshot', { pendingOutputs: [...this.unacked, ...this.held] }, { timeoutMs: COPY_MS });
    } finally {
      await this.resume();
      if (this.state === 'frozen') this.state = 'running';
    }
  }

  /** H3: what the durable checkpoint covers may go out now. */
  private release(covered: readonly ThreadOutput[]): void {
    this.held = this.held.slice(covered.length);
    for (const output of covered) this.enqueue(output);
  }

  setDuty(ratio: number): void {
    this.duty = ratio;
    if (!this.slowed) this.runner.setDuty(ratio);
  }

  async end(): Promise<void> {
    this.state = 'ended';
    this.stopTimers();
    this.appender?.close();
    this.runner.end();
    await this.pump?.close();
  }
}
