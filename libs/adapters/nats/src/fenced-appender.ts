/**
 * Appends on behalf of one ownership of one thread.
 *
 * Owns: the queue of one thread, and the resolution of refusals and doubts. Does not own: who owns the thread (the broker
 * says that), nor what becomes of a thread whose appender has ended.
 *
 * Invariants (with those of the port, J1 to J4):
 *  A1. One append is in flight. What is queued meanwhile goes as one atomic batch, in order.
 *  A2. A record is sent again only under the same subject; the broker takes it once, whatever became of the first try.
 *  A3. After `fenced`, after a diverged output and after a failure nothing is sent any more: output n + 1 never gets into
 *      the journal when the fate of n is not known.
 *  A4. A refusal by the fence counts only when the newest owner record names another epoch. On replicated streams the
 *      broker also refuses when two appends cross (RELIABILITY 0.12).
 */
import { assert, isRefusal, OperationError, refuse, type Refusal, type RequestId } from '@godwit/kernel';
import type { AppendOutcome, CheckpointRecord, Fence, FencedAppender, InRecord, IntentRecord, OutRecord, OwnRecord, Stored } from '@godwit/journal';
import type { ThreadOutput } from '@godwit/snapshot';
import { checkpointRecordCodec, inRecordCodec, intentRecordCodec, outRecordCodec } from '@godwit/wire';
import { asUnknown, fenceHeaders, MAX_BATCH_RECORDS, sendBatch, sendOne, type Appendable, type AppendAnswer } from './append.js';
import { NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { backoffMs, decoded, pause, type RawRecord } from './leader.js';

/** A batch is at most this long, so that one thread does not hold up the shard. A single record may be longer. */
export const MAX_BATCH_BYTES = 2 * 1024 * 1024;
const RECOGNISED_AT_ONCE = 64;
/** Room for subject and headers beside a record's bytes. */
const ENVELOPE_BYTES = 1024;

/** What an appender needs to know of its thread. */
export interface AppenderSetting {
  readonly link: NatsLink;
  readonly subjects: {
    readonly owns: string;
    output(n: number): string;
    checkpoint(k: number): string;
    intent(epoch: number): string;
    input(requestId: RequestId): string;
  };
  readonly fence: Fence;
  newestOwn(): Promise<Stored<OwnRecord> | undefined>;
  /** From the leader. */
  record(subject: string): Promise<RawRecord | undefined>;
}

type Final = Extract<AppendOutcome, { result: 'fenced' | 'diverged' }>;

interface Queued extends Appendable {
  readonly isOutput: boolean;
  /** Whether the record that is there under this number is the same; else what to say. */
  judge(present: RawRecord): 'same' | Refusal;
  settle(outcome: AppendOutcome): void;
  fail(error: OperationError): void;
}

export class NatsFencedAppender implements FencedAppender {
  backlog = 0;
  refusedAppends = 0;
  private ownSeq: number;
  private lastN: number | undefined;
  private queue: Queued[] = [];
  private running = false;
  private ended: Final | undefined;
  private broken: OperationError | undefined;

  constructor(private readonly setting: AppenderSetting) {
    this.ownSeq = setting.fence.ownSeq;
  }

  get fence(): Fence {
    return { epoch: this.setting.fence.epoch, ownSeq: this.ownSeq };
  }

  appendOutputs(outputs: readonly ThreadOutput[]): Promise<AppendOutcome> {
    assert(outputs.length > 0, 'appendOutputs: at least one output');
    outputs.forEach((output, i) => {
      const expected = i === 0 ? (this.lastN ?? output.n - 1) + 1 : outputs[i - 1]!.n + 1;
      assert(output.n === expected, `appendOutputs: output ${output.n} where ${expected} was due`);
    });
    const { epoch } = this.setting.fence;
    const records = outputs.map((output) => ({
      subject: this.setting.subjects.output(output.n), isOutput: true,
      payload: outRecordCodec.encode({ ...output, epoch }),
      judge: (present: RawRecord) => sameOutput(decoded<OutRecord>(present, outRecordCodec.decode).record, output),
    }));
    return this.enqueue(records, () => { this.lastN = outputs.at(-1)!.n; });
  }

  appendCheckpoint(given: Omit<CheckpointRecord, 'epoch'>): Promise<AppendOutcome> {
    const record = { ...given, epoch: this.setting.fence.epoch };
    return this.enqueue([{
      subject: this.setting.subjects.checkpoint(record.k), isOutput: false, payload: checkpointRecordCodec.encode(record),
      judge: (present) => sameCheckpoint(decoded<CheckpointRecord>(present, checkpointRecordCodec.decode).record, record),
    }]);
  }

  appendIntent(given: Omit<IntentRecord, 'epoch'>): Promise<AppendOutcome> {
    const record = { ...given, epoch: this.setting.fence.epoch };
    return this.enqueue([{
      subject: this.setting.subjects.intent(record.epoch), isOutput: false, payload: intentRecordCodec.encode(record),
      judge: (present) => {
        const { migration } = decoded<IntentRecord>(present, intentRecordCodec.decode).record;
        return migration === record.migration ? 'same' : refuse('conflict', `epoch ${record.epoch} has an intent already: migration ${migration}`, 'epoch');
      },
    }]);
  }

  appendTimer(requestId: RequestId): Promise<AppendOutcome> {
    const record: InRecord = { requestId, kind: 'timer', messages: [] };
    return this.enqueue([{
      subject: this.setting.subjects.input(requestId), isOutput: false, payload: inRecordCodec.encode(record),
      judge: (present) => decoded<InRecord>(present, inRecordCodec.decode).record.kind === 'timer'
        ? 'same' : refuse('conflict', `${requestId} is the id of another input`, 'requestId'),
    }]);
  }

  close(): void {
    this.break(new OperationError('append-refused', 'the appender was closed', { effect: 'unknown' }));
  }

  /** One outcome for all: that of the last record, `appended` if any of them was. */
  private enqueue(records: readonly Omit<Queued, 'settle' | 'fail'>[], accepted?: () => void): Promise<AppendOutcome> {
    if (this.broken) return Promise.reject(this.broken);
    if (this.ended) {
      if (this.ended.result === 'fenced') this.refusedAppends += records.length;
      return Promise.resolve(this.ended);
    }
    const limitBytes = (this.setting.link.nc.info?.max_payload ?? Number.POSITIVE_INFINITY) - ENVELOPE_BYTES;
    const tooLong = records.find(({ payload }) => payload.length > limitBytes);
    if (tooLong) {
      return Promise.reject(new OperationError('payload-too-large',
        `${tooLong.subject}: ${tooLong.payload.length} bytes, the broker takes ${limitBytes}`, { effect: 'none' }));
    }
    accepted?.();
    return new Promise((resolve, reject) => {
      let left = records.length;
      let anyAppended = false;
      const settle = (outcome: AppendOutcome): void => {
        left -= 1;
        anyAppended ||= outcome.result === 'appended';
        if (outcome.result === 'fenced' || outcome.result === 'diverged') resolve(outcome);
        else if (left === 0) resolve({ result: anyAppended ? 'appended' : 'repeated', seq: outcome.seq });
      };
      for (const record of records) {
        this.queue.push({ ...record, settle, fail: reject });
        if (record.isOutput) this.backlog += 1;
      }
      if (!this.running) void this.run();
    });
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
    while (count < this.queue.length && count < MAX_BATCH_RECORDS) {
      bytes += this.queue[count]!.payload.length;
      if (count > 0 && bytes > MAX_BATCH_BYTES) break;
      count += 1;
    }
    return count;
  }

  /** @throws OperationError when the limit passes without any progress; then the fate of the first queued is unknown. */
  private async appendGroup(groupSize: number): Promise<void> {
    let left = groupSize;
    let singly = left === 1;
    let attempt = 0;
    let limitAtMs = performance.now() + NATS_TIMEOUTS.appendLimitMs;
    while (left > 0 && !this.isOver()) {
      const sent = this.queue.slice(0, singly ? 1 : left);
      const answer = await this.send(sent);
      if (this.isOver()) return;
      const settled = answer.kind === 'stored' ? this.stored(sent.length, answer.lastSeq)
        : answer.kind === 'exists' ? await this.recognise(sent) : 0;
      if (settled > 0) {
        left -= settled;
        singly = left === 1;
        attempt = 0;
        limitAtMs = performance.now() + NATS_TIMEOUTS.appendLimitMs;
        continue;
      }
      if (answer.kind === 'exists' || answer.kind === 'batch-refused') {
        if (!singly) { singly = true; continue; }
      } else if (answer.kind !== 'stored' && !(await this.stillOwner(sent.length, answer.kind === 'fence'))) return;
      if (performance.now() > limitAtMs) throw this.silence(answer);
      await pause(backoffMs(attempt++));
    }
  }

  private send(records: readonly Queued[]): Promise<AppendAnswer> {
    const headers = fenceHeaders(this.setting.subjects.owns, this.ownSeq);
    return records.length === 1 ? sendOne(this.setting.link, records[0]!, headers) : sendBatch(this.setting.link, records, headers);
  }

  private stored(count: number, lastSeq: number): number {
    for (let i = 0; i < count; i++) this.shift().settle({ result: 'appended', seq: lastSeq - (count - 1 - i) });
    return count;
  }

  /**
   * Settles the first of these that are in the journal, by number and content, and returns how many. A thread that was
   * restored repeats thousands; reading needs no order, so many are read at once.
   */
  private async recognise(sent: readonly Queued[]): Promise<number> {
    let settled = 0;
    while (settled < sent.length) {
      const probed = sent.slice(settled, settled + RECOGNISED_AT_ONCE);
      const present = await Promise.all(probed.map(({ subject }) => this.setting.record(subject)));
      for (const [i, record] of present.entries()) {
        if (!record || this.isOver()) return settled;
        this.settlePresent(probed[i]!, record);
        settled += 1;
      }
    }
    return settled;
  }

  private settlePresent(queued: Queued, present: RawRecord): void {
    const verdict = queued.judge(present);
    if (isRefusal(verdict) && queued.isOutput) this.end({ result: 'diverged', refusal: verdict });
    else if (isRefusal(verdict)) this.shift().settle({ result: 'diverged', refusal: verdict });
    else this.shift().settle({ result: 'repeated', seq: present.seq });
  }

  private shift(): Queued {
    const first = this.queue.shift()!;
    if (first.isOutput) this.backlog -= 1;
    return first;
  }

  /** A4. False when it has ended the appender. @throws OperationError `broker-regressed`. */
  private async stillOwner(sent: number, refusedByFence: boolean): Promise<boolean> {
    const newest = await this.setting.newestOwn();
    const { epoch } = this.setting.fence;
    if (this.isOver()) return false;
    if (!newest || newest.record.epoch < epoch) {
      throw new OperationError('broker-regressed',
        `${this.setting.subjects.owns}: epoch ${epoch} was appended, but the newest is ${newest ? newest.record.epoch : 'none'}`, { effect: 'unknown' });
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
    return new OperationError('timeout', `${this.queue[0]!.subject}: refused for ${NATS_TIMEOUTS.appendLimitMs} ms although the owner record is ours`, { effect: 'unknown' });
  }

  private end(outcome: Final): void {
    this.ended = outcome;
    this.emptyQueue((queued) => queued.settle(outcome));
  }

  private break(error: OperationError): void {
    this.broken ??= error;
    this.emptyQueue((queued) => queued.fail(error));
  }

  private emptyQueue(each: (queued: Queued) => void): void {
    const { queue } = this;
    this.queue = [];
    this.backlog = 0;
    queue.forEach(each);
  }
}

const sameOutput = (present: OutRecord, mine: ThreadOutput): 'same' | Refusal =>
  present.hash === mine.hash ? 'same'
    : refuse('output-diverged', `output ${mine.n} is in the journal with hash ${present.hash}, the thread now made ${mine.hash}`, 'hash');

const CONTENT = ['digest', 'cursorSeq', 'outN', 'chainHash', 'program'] as const;
function sameCheckpoint(present: CheckpointRecord, mine: CheckpointRecord): 'same' | Refusal {
  const field = CONTENT.find((name) => present[name] !== mine[name]);
  return field === undefined ? 'same'
    : refuse('conflict', `checkpoint ${mine.k} is in the journal with ${field} ${present[field]}, not ${mine[field]}`, field);
}
