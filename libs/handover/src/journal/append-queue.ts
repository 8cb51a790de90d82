/**
 * Appends on behalf of one ownership of one thread: the order of appends, and the resolution of refusals and doubts.
 * Does not own: the bytes and the broker's answers (the wire that it is given), nor what becomes of a thread whose queue
 * has ended.
 *
 * The simulator's journal is built on it; the adapter for NATS has these rules a second time in its `FencedAppender`.
 *
 * Invariants (with those of the journal port, J1 to J4):
 *  A1. One append is in flight. What is queued meanwhile goes as one atomic batch, in order.
 *  A2. A record is sent again only under the same subject; the broker takes it once, whatever became of the first try.
 *  A3. After `fenced`, after a diverged output and after a failure nothing is sent any more: output n + 1 never gets into
 *      the journal when the fate of n is not known.
 *  A4. A refusal by the fence counts only when the newest owner record names another epoch. On replicated streams the
 *      broker also refuses when two appends cross (RELIABILITY 0.12).
 */
import { isRefusal, OperationError, type Clock, type DurationMs, type Refusal } from '@godwit/kernel';
import type { AppendOutcome, Fence, OwnRecord, Stored } from '@godwit/journal';

/**
 * `fence`: the expected owner record is not the newest, or (replicated streams) another append was in flight.
 * `exists`: that number is there already. `batch-refused`: nothing of the batch is there; the records may go singly.
 * `unknown`: it may be there. `failed`: it is not there.
 */
export type AppendAnswer =
  | { readonly kind: 'stored'; readonly lastSeq: number }
  | { readonly kind: 'fence' | 'exists' | 'batch-refused' }
  | { readonly kind: 'unknown' | 'failed'; readonly error: OperationError };

/** One record that waits for its append. */
export interface Appendable<Present> {
  readonly subject: string;
  readonly isOutput: boolean;
  readonly sizeBytes: number;
  /** Whether the record that is there under this subject is the same; else what to say. */
  judge(present: Present): 'same' | Refusal;
}

/** The broker, as the queue needs it. Reads see the leader's state. */
export interface AppendWire<Item, Present> {
  /** All or none, in order, resting on the owner record `ownSeq`. */
  send(records: readonly Item[], ownSeq: number): Promise<AppendAnswer>;
  record(subject: string): Promise<Present | undefined>;
  newestOwn(): Promise<Stored<OwnRecord> | undefined>;
  /** Waits before the next try, longer each time. */
  backOff(attempt: number): Promise<void>;
}

export interface AppendLimits {
  readonly batchRecords: number;
  /** A batch is at most this long, so that one thread does not hold up the shard. A single record may be longer. */
  readonly batchBytes: number;
  /** All tries of one append together; then it fails with effect `unknown`. */
  readonly appendMs: DurationMs;
}

type Final = Extract<AppendOutcome, { result: 'fenced' | 'diverged' }>;
interface Queued<Item> {
  readonly item: Item;
  settle(outcome: AppendOutcome): void;
  fail(error: OperationError): void;
}
const RECOGNISED_AT_ONCE = 64;

/** The same failure, with effect `unknown`: when reading back has failed, what became of the append before it is not known. */
export function asUnknown(error: unknown): unknown {
  if (!(error instanceof OperationError) || error.effect === 'unknown') return error;
  return new OperationError(error.code, error.message, { effect: 'unknown', cause: error });
}

export class AppendQueue<Item extends Appendable<Present>, Present extends { readonly seq: number }> {
  /** Outputs queued or in flight. */
  backlog = 0;
  refusedAppends = 0;
  private ownSeq: number;
  private queue: Queued<Item>[] = [];
  private running = false;
  private ended: Final | undefined;
  private broken: OperationError | undefined;

  /** @param owns how messages name the thread's owner records */
  constructor(private readonly granted: Fence, private readonly owns: string, private readonly wire: AppendWire<Item, Present>, private readonly clock: Pick<Clock, 'monotonicMs'>, private readonly limits: AppendLimits) {
    this.ownSeq = granted.ownSeq;
  }

  get fence(): Fence {
    return { epoch: this.granted.epoch, ownSeq: this.ownSeq };
  }

  /** One outcome for all: that of the last record, `appended` if any of them was. @param accepted called when they are queued */
  append(items: readonly Item[], accepted?: () => void): Promise<AppendOutcome> {
    if (this.broken) return Promise.reject(this.broken);
    if (this.ended) {
      if (this.ended.result === 'fenced') this.refusedAppends += items.length;
      return Promise.resolve(this.ended);
    }
    accepted?.();
    return new Promise((resolve, reject) => {
      let left = items.length;
      let anyAppended = false;
      const settle = (outcome: AppendOutcome): void => {
        left -= 1;
        anyAppended ||= outcome.result === 'appended';
        if (outcome.result === 'fenced' || outcome.result === 'diverged') resolve(outcome);
        else if (left === 0) resolve({ result: anyAppended ? 'appended' : 'repeated', seq: outcome.seq });
      };
      for (const item of items) {
        this.queue.push({ item, settle, fail: reject });
        if (item.isOutput) this.backlog += 1;
      }
      if (!this.running) void this.run();
    });
  }

  close(): void {
    this.break(new OperationError('append-refused', 'the appender was closed', { effect: 'unknown' }));
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.queue.length > 0 && !this.isOver()) await this.appendGroup(this.groupSize());
    } catch (error) {
      const failure = asUnknown(error);
      this.break(failure instanceof OperationError ? failure : new OperationError('internal', `appending failed: ${String(error)}`, { effect: 'unknown', cause: error }));
    } finally {
      this.running = false;
    }
  }

  private isOver(): boolean {
    return this.ended !== undefined || this.broken !== undefined;
  }

  /** How many go as one append: in order, within the limits, at least one. They stay in the queue until they are settled. */
  private groupSize(): number {
    let bytes = 0;
    let count = 0;
    while (count < this.queue.length && count < this.limits.batchRecords) {
      bytes += this.queue[count]!.item.sizeBytes;
      if (count > 0 && bytes > this.limits.batchBytes) break;
      count += 1;
    }
    return count;
  }

  /** @throws OperationError when the limit passes without any progress; then the fate of the first queued is unknown. */
  private async appendGroup(groupSize: number): Promise<void> {
    let left = groupSize;
    let singly = left === 1;
    let attempt = 0;
    let limitAtMs = this.clock.monotonicMs() + this.limits.appendMs;
    while (left > 0 && !this.isOver()) {
      const sent = this.queue.slice(0, singly ? 1 : left);
      const answer = await this.wire.send(sent.map(({ item }) => item), this.ownSeq);
      if (this.isOver()) return;
      const settled = answer.kind === 'stored' ? this.stored(sent.length, answer.lastSeq)
        : answer.kind === 'exists' ? await this.recognise(sent) : 0;
      if (settled > 0) {
        left -= settled;
        singly = left === 1;
        attempt = 0;
        limitAtMs = this.clock.monotonicMs() + this.limits.appendMs;
        continue;
      }
      if (answer.kind === 'exists' || answer.kind === 'batch-refused') {
        if (!singly) { singly = true; continue; }
      } else if (answer.kind !== 'stored' && !(await this.stillOwner(sent.length, answer.kind === 'fence'))) return;
      if (this.clock.monotonicMs() > limitAtMs) throw this.silence(answer);
      await this.wire.backOff(attempt++);
    }
  }

  private stored(count: number, lastSeq: number): number {
    for (let i = 0; i < count; i++) this.shift().settle({ result: 'appended', seq: lastSeq - (count - 1 - i) });
    return count;
  }

  /**
   * Settles the first of these that are in the journal, by number and content, and returns how many. A thread that was
   * restored repeats thousands; reading needs no order, so many are read at once.
   */
  private async recognise(sent: readonly Queued<Item>[]): Promise<number> {
    let settled = 0;
    while (settled < sent.length) {
      const probed = sent.slice(settled, settled + RECOGNISED_AT_ONCE);
      const present = await Promise.all(probed.map(({ item }) => this.wire.record(item.subject)));
      for (const [i, record] of present.entries()) {
        if (!record || this.isOver()) return settled;
        this.settlePresent(probed[i]!, record);
        settled += 1;
      }
    }
    return settled;
  }

  private settlePresent({ item }: Queued<Item>, present: Present): void {
    const verdict = item.judge(present);
    if (isRefusal(verdict) && item.isOutput) this.end({ result: 'diverged', refusal: verdict });
    else if (isRefusal(verdict)) this.shift().settle({ result: 'diverged', refusal: verdict });
    else this.shift().settle({ result: 'repeated', seq: present.seq });
  }

  private shift(): Queued<Item> {
    const first = this.queue.shift()!;
    if (first.item.isOutput) this.backlog -= 1;
    return first;
  }

  /** A4. False when it has ended the queue. @throws OperationError `broker-regressed`. */
  private async stillOwner(sent: number, refusedByFence: boolean): Promise<boolean> {
    const newest = await this.wire.newestOwn();
    const { epoch } = this.granted;
    if (this.isOver()) return false;
    if (!newest || newest.record.epoch < epoch) {
      throw new OperationError('broker-regressed', `${this.owns}: epoch ${epoch} was appended, but the newest is ${newest ? newest.record.epoch : 'none'}`, { effect: 'unknown' });
    }
    if (newest.record.epoch > epoch) {
      // Counted: what the broker refused, and what it would have, had it been sent.
      this.refusedAppends += refusedByFence ? this.queue.length : this.queue.length - sent;
      this.end({ result: 'fenced', newest });
      return false;
    }
    this.ownSeq = newest.seq;
    return true;
  }

  private silence(answer: AppendAnswer): OperationError {
    if ('error' in answer) return answer.error;
    return new OperationError('timeout', `${this.queue[0]!.item.subject}: refused for ${this.limits.appendMs} ms although the owner record is ours`, { effect: 'unknown' });
  }

  private end(outcome: Final): void {
    this.ended = outcome;
    this.emptyQueue((queued) => queued.settle(outcome));
  }

  private break(error: OperationError): void {
    this.broken ??= error;
    this.emptyQueue((queued) => queued.fail(error));
  }

  private emptyQueue(each: (queued: Queued<Item>) => void): void {
    const { queue } = this;
    this.queue = [];
    this.backlog = 0;
    queue.forEach(each);
  }
}
