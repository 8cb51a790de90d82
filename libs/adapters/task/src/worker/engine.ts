/**
 * The loop in the worker: takes one step of one record at a time (a message, a tick, the end), and stands still between
 * steps where it is told to. Owns the cursor and the record in progress. Does not own the thread's state (the realm),
 * its numbers and hashes (the main thread).
 *
 *  E1. Between two steps nothing of the program can run: every step ends with a turn of the event loop, in which the
 *      promises that the handler left behind run out. So a state taken between steps is whole.
 *  E2. What a step does is independent of when it runs: holds and freezes come between steps, or at `ctx.safepoint()`,
 *      which always takes at least one turn and lets its callers go on in the order in which they came.
 *  E3. A handler that waits for anything but `ctx.safepoint()` waits for ever, since its realm has no timers and no I/O.
 *      That is noticed after one turn and is a fault.
 */
import { isRefusal, refuse, type Code, type Refusal } from '@godwit/kernel';
import type { InputRecord } from '@godwit/runtime';
import { COUNTERS, type Answer, type Command, type OpenRecord, type Report, type UnchainedOutput, type WireMessage, type WorkerState } from '../protocol.js';
import type { RealmThread, Step } from '../realm/dispatch.js';
import { describeError } from './describe-error.js';
import type { Duty } from './duty.js';
import type { VirtualWorld } from './virtual-world.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The record in progress: `next` indexes what is left of `messages`. */
interface Progress {
  readonly seq: number;
  readonly originMs: number;
  readonly from: string;
  readonly messages: readonly WireMessage[];
  next: number;
  tick: boolean;
  end: boolean;
  /** The main thread knows that it was taken. */
  reported: boolean;
}

export interface EngineParts {
  readonly thread: RealmThread;
  readonly world: VirtualWorld;
  readonly duty: Duty;
  readonly counters: Float64Array;
  readonly memoryBytes: number;
  cpuMicros(): number;
  monotonicMs(): number;
  report(report: Report): void;
}

export class Engine {
  private queue: InputRecord[] = [];
  private open: Progress | undefined;
  private cursorSeq = 0;
  private ended = false;
  private faulted = false;
  private frozen = true;
  private freezeReply: number | undefined;
  private traces: Record<string, number> = {};
  private stretches = 0;
  private baseCpuMicros = 0;
  private safepoints: (() => void)[] = [];
  private wake: () => void = () => undefined;
  private endHold: () => void = () => undefined;

  constructor(private readonly parts: EngineParts) {}

  /** Runs until a fault. Commands come in meanwhile. */
  async run(): Promise<void> {
    this.baseCpuMicros = this.parts.cpuMicros();
    while (!this.faulted) {
      if (this.freezeReply !== undefined) this.standStill(this.freezeReply);
      const step = this.frozen || this.ended ? undefined : this.nextStep();
      if (step === undefined) {
        await new Promise<void>((resolve) => { this.wake = resolve; });
        this.parts.duty.begin();
      } else if (await this.perform(step)) await this.holdBack();
    }
  }

  accept(command: Command): void {
    if (command.type === 'feed') for (const record of command.records) this.queue.push(record);
    else if (command.type === 'resume') this.frozen = false;
    else if (command.type === 'duty') this.parts.duty.set(command.ratio);
    else if (command.request.type === 'freeze') {
      this.queue = [];
      this.freezeReply = command.id;
    } else this.reply(command.id, this.answer(command.request));
    if (command.type !== 'feed') this.endHold();
    this.wake();
  }

  private reply(id: number, answer: Answer): void {
    this.parts.report({ type: 'reply', id, answer });
  }

  private answer(request: { type: 'start' } | { type: 'snapshot' } | { type: 'restore'; from: WorkerState }): Answer {
    if (request.type === 'snapshot') return this.snapshot();
    return request.type === 'start' ? this.start() : this.restore(request.from);
  }

  /** Runs code of the program outside a handler. The number in `running` lets the watchdog see one that does not end. */
  private guarded<T>(code: Code, what: string, work: () => T): T | Refusal {
    this.enter();
    try {
      return work();
    } catch (error) {
      return refuse(code, `${what}: ${describeError(error)}`);
    } finally {
      this.leave();
    }
  }

  private enter(): void {
    this.parts.counters[COUNTERS.running] = ++this.stretches;
  }

  private leave(): void {
    const { counters } = this.parts;
    counters[COUNTERS.running] = 0;
    counters[COUNTERS.cpuSeconds] = (this.parts.cpuMicros() - this.baseCpuMicros) / 1e6;
  }

  private start(): Answer {
    const begun = this.guarded('thread-fault', 'initial() failed', () => this.parts.thread.begin());
    if (isRefusal(begun)) return begun;
    const encoded = this.encode();
    if (isRefusal(encoded)) return encoded;
    this.frozen = false;
    return 'done';
  }

  private encode(): Uint8Array | Refusal {
    const { thread, memoryBytes, counters } = this.parts;
    const state = this.guarded('codec-failed', 'codec.encode failed', () => thread.encode());
    if (isRefusal(state)) return state;
    counters[COUNTERS.stateBytes] = state.length;
    if (state.length <= memoryBytes) return state;
    return refuse('limit-exceeded', `the encoded state has ${state.length} bytes, more than the limit of ${memoryBytes}`, 'limits.memoryBytes');
  }

  private snapshot(): Answer {
    const state = this.encode();
    if (isRefusal(state)) return state;
    const { recordMs, clockPolls, random, emits } = this.parts.world.saved();
    const { cursorSeq, ended, open } = this;
    const saved = { state: new Uint8Array(state), cursorSeq, recordMs, clockPolls, random, ended };
    if (open === undefined) return saved;
    const rest: OpenRecord = {
      seq: open.seq, originMs: open.originMs, from: open.from, messages: open.messages.slice(open.next), tick: open.tick, end: open.end, emits,
    };
    return { ...saved, open: rest };
  }

  private restore(from: WorkerState): Answer {
    const { thread, world, counters, memoryBytes } = this.parts;
    if (from.state.length > memoryBytes) {
      return refuse('limit-exceeded', `the snapshot's state has ${from.state.length} bytes, more than the limit of ${memoryBytes}`, 'limits.memoryBytes');
    }
    const decoded = this.guarded('codec-failed', 'codec.decode failed', () => thread.decode(from.state));
    if (isRefusal(decoded)) return decoded;
    world.restore({ ...from, emits: from.open?.emits ?? [] });
    this.cursorSeq = from.cursorSeq;
    this.ended = from.ended;
    this.open = from.open && { ...from.open, next: 0, reported: true };
    counters[COUNTERS.stateBytes] = from.state.length;
    return 'done';
  }

  /** At a safepoint, with everything reported that was made before it. */
  private standStill(replyId: number): void {
    this.frozen = true;
    this.freezeReply = undefined;
    if (this.open && !this.open.reported) this.progress([]);
    this.reply(replyId, 'done');
  }

  private nextStep(): Step | undefined {
    for (;;) {
      const open = this.open ?? this.takeRecord();
      if (!open) return undefined;
      const step = this.stepOf(open);
      if (step) return step;
      this.closeRecord();
    }
  }

  private stepOf(open: Progress): Step | undefined {
    const message = open.messages[open.next];
    if (message) {
      open.next += 1;
      this.count(`kind:${message.kind}`);
      return { type: 'message', from: open.from, kind: message.kind, payload: message.payload };
    }
    if (open.tick) {
      open.tick = false;
      this.count('ticks');
      return { type: 'tick' };
    }
    if (open.end) {
      open.end = false;
      this.ended = true;
      return { type: 'end' };
    }
    return undefined;
  }

  private takeRecord(): Progress | undefined {
    let record = this.queue.shift();
    // Whoever resumes feeds again from the cursor, and may go back a little too far.
    while (record && record.seq <= this.cursorSeq) record = this.queue.shift();
    if (!record) return undefined;
    const { seq, originMs, from } = record;
    const tick = from === 'timer';
    this.open = { seq, originMs, from, messages: tick ? [] : record.messages, next: 0, tick, end: record.end, reported: false };
    this.cursorSeq = seq;
    this.parts.counters[COUNTERS.consumedRecords]! += 1;
    this.parts.world.beginRecord(record.atMs);
    return this.open;
  }

  private count(trace: string): void {
    this.traces[trace] = (this.traces[trace] ?? 0) + 1;
  }

  /** True when the step came to its end; false after a fault. */
  private async perform(step: Step): Promise<boolean> {
    this.enter();
    try {
      const pending = this.parts.thread.perform(step);
      await (pending ? this.settle(pending) : turn());
      if (this.safepoints.length > 0) throw new Error('a handler returned without awaiting its ctx.safepoint()');
    } catch (error) {
      this.fault(refuse('thread-fault', describeError(error)));
      return false;
    } finally {
      this.leave();
    }
    this.parts.counters[COUNTERS.polls]! += 1;
    if (this.atEndOfRecord()) this.closeRecord();
    return true;
  }

  /** Waits for a handler's promise, and serves its safepoints (E2, E3). */
  private async settle(pending: Promise<void>): Promise<void> {
    let settled = false;
    const settle = (): void => { settled = true; };
    pending.then(settle, settle);
    for (;;) {
      await turn();
      if (settled) return pending;
      const resume = this.safepoints.shift();
      if (!resume) throw new Error('a handler awaits something that never comes: in a thread, only ctx.safepoint() and the thread’s own promises end');
      this.parts.counters[COUNTERS.polls]! += 1;
      // While a freeze waits, only the handler's return counts as a safepoint for the watchdog.
      if (this.freezeReply === undefined) this.enter();
      await this.holdBack();
      resume();
    }
  }

  onSafepoint(resume: () => void): void {
    this.safepoints.push(resume);
  }

  private atEndOfRecord(): boolean {
    const { open } = this;
    return open !== undefined && open.next >= open.messages.length && !open.tick && !open.end;
  }

  private closeRecord(): void {
    const exit = this.ended ? { exit: { code: 0 } } : {};
    const messages = this.parts.world.takeEmits();
    this.progress(messages.length > 0 || this.ended ? [{ ...this.cause(), messages, ...exit }] : []);
    this.open = undefined;
  }

  private cause(): { causedBySeq: number; originMs: number } {
    return { causedBySeq: this.open?.seq ?? this.cursorSeq, originMs: this.open?.originMs ?? 0 };
  }

  /** More was emitted in one record than an output may hold. */
  cut(): void {
    const messages = this.parts.world.takeEmits();
    this.progress([{ ...this.cause(), messages }]);
  }

  private progress(outputs: readonly UnchainedOutput[]): void {
    const { open, traces } = this;
    this.traces = {};
    const consumed = open && !open.reported ? { consumedSeq: open.seq } : {};
    if (open) open.reported = true;
    this.parts.report({ type: 'progress', ...consumed, outputs, traces });
  }

  /** The duty cycle's pause. Ended early by any command but a feed, so that a freeze is answered at once. */
  private async holdBack(): Promise<void> {
    const { duty, counters, monotonicMs } = this.parts;
    const holdMs = duty.charge();
    if (holdMs === 0 || this.freezeReply !== undefined) return;
    const fromMs = monotonicMs();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, holdMs);
      this.endHold = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.endHold = () => undefined;
    const heldMs = monotonicMs() - fromMs;
    duty.held(heldMs);
    counters[COUNTERS.heldSeconds]! += heldMs / 1000;
  }

  fault(refusal: Refusal): void {
    if (this.faulted) return;
    this.faulted = true;
    this.parts.report({ type: 'fault', refusal });
  }
}
