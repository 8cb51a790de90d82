/**
 * The journal in memory, for unit specs of services: the same answers as on the broker (the contract suite runs on both),
 * nothing durable, nothing ever in doubt. The clock is the broker's.
 */
import { assert, OperationError, refuse, threadId, type Clock, type Refusal, type RequestId, type ShardId, type ThreadId } from '@godwit/kernel';
import {
  journalSubjects, shardStream,
  type AppendOutcome, type CheckpointRecord, type Fence, type FencedAppender, type InRecord, type IntentRecord, type Journal,
  type JournalEntry, type JournalReader, type OutRecord, type OwnOutcome, type OwnRecord, type Stored, type ThreadAddress, type ThreadTail,
} from '@godwit/journal';
import { CHAIN_START, type ThreadOutput } from '@godwit/snapshot';

type AnyRecord = OwnRecord | OutRecord | InRecord | CheckpointRecord | IntentRecord;
interface Held { readonly seq: number; readonly atMs: number; readonly subject: string; readonly record: AnyRecord }

/** One shard: records by sequence, each subject at most once. */
class Shard {
  lastSeq = 0;
  private readonly bySeq = new Map<number, Held>();
  private readonly bySubject = new Map<string, Held>();
  private waiting: (() => void)[] = [];

  constructor(private readonly clock: Clock) {}

  at(subject: string): Held | undefined { return this.bySubject.get(subject); }

  /** Under a prefix such as `godwit.t.s.thread.out.`, in order of the stream. */
  under(prefix: string): Held[] { return [...this.bySeq.values()].filter(({ subject }) => subject.startsWith(prefix)); }

  newest(prefix: string): Held | undefined { return this.under(prefix).at(-1); }

  after(seq: number): Held[] { return [...this.bySeq.values()].filter((held) => held.seq > seq); }

  append(subject: string, record: AnyRecord): Held {
    assert(!this.bySubject.has(subject), `${subject} exists`);
    const held = { seq: ++this.lastSeq, atMs: this.clock.nowMs(), subject, record: structuredClone(record) };
    this.bySeq.set(held.seq, held);
    this.bySubject.set(subject, held);
    this.wake();
    return held;
  }

  remove({ seq, subject }: Held): void {
    this.bySeq.delete(seq);
    this.bySubject.delete(subject);
  }

  /** Resolves at the next append, or when `wake` is called. */
  change(): Promise<void> { return new Promise((resolve) => { this.waiting.push(resolve); }); }

  wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

const stored = <Rec>(held: Held | undefined): Stored<Rec> | undefined =>
  held && { seq: held.seq, atMs: held.atMs, record: held.record as Rec };

export const memoryJournal = (clock: Clock): Journal => new MemoryJournal(clock);

class MemoryJournal implements Journal {
  private readonly shards = new Map<string, Shard>();
  private readonly subjects = journalSubjects();

  constructor(private readonly clock: Clock) {}

  ensureShard(shard: ShardId): Promise<void> {
    if (!this.shards.has(shard)) this.shards.set(shard, new Shard(this.clock));
    return Promise.resolve();
  }

  private shard(shard: ShardId): Shard {
    const found = this.shards.get(shard);
    if (!found) throw new OperationError('not-found', `stream ${shardStream(shard)} not found`, { effect: 'none' });
    return found;
  }

  private prefix(at: ThreadAddress, type: 'in' | 'own' | 'out' | 'ck' | 'intent'): string {
    return `godwit.t.${at.shard}.${at.thread}.${type}.`;
  }

  async appendInput(at: ThreadAddress, record: InRecord): Promise<{ seq: number; duplicate: boolean } | Refusal> {
    const subject = this.subjects.input(at, record.requestId);
    const present = this.shard(at.shard).at(subject);
    if (!present) return { seq: this.shard(at.shard).append(subject, record).seq, duplicate: false };
    if (same(present.record, record)) return { seq: present.seq, duplicate: true };
    return refuse('conflict', `request ${record.requestId} is in the journal with other content`, 'requestId');
  }

  async newestOwn(at: ThreadAddress): Promise<Stored<OwnRecord> | undefined> {
    return stored(this.shard(at.shard).newest(this.prefix(at, 'own')));
  }
  async ownOf(at: ThreadAddress, epoch: number): Promise<Stored<OwnRecord> | undefined> {
    return stored(this.shard(at.shard).at(this.subjects.own(at, epoch)));
  }

  async appendOwn(at: ThreadAddress, expectedSeq: number, record: OwnRecord): Promise<OwnOutcome> {
    // No await between looking and appending: that would be the gap that the broker's fence closes.
    const newest = stored<OwnRecord>(this.shard(at.shard).newest(this.prefix(at, 'own')));
    const subject = this.subjects.own(at, record.epoch);
    if ((newest?.seq ?? 0) !== expectedSeq || this.shard(at.shard).at(subject)) return { result: 'lost', newest };
    return { result: 'appended', own: stored<OwnRecord>(this.shard(at.shard).append(subject, record))! };
  }

  fencedAppender(at: ThreadAddress, fence: Fence): FencedAppender {
    const shard = this.shard(at.shard);
    return new MemoryAppender({
      fence, at, subjects: this.subjects,
      newestOwn: () => stored<OwnRecord>(shard.newest(this.prefix(at, 'own'))),
      present: (subject) => shard.at(subject),
      append: (subject, record) => shard.append(subject, record).seq,
    });
  }

  async tail(at: ThreadAddress): Promise<ThreadTail> {
    const output = stored<OutRecord>(this.shard(at.shard).newest(this.prefix(at, 'out')));
    const checkpoint = stored<CheckpointRecord>(this.shard(at.shard).newest(this.prefix(at, 'ck')));
    return { outN: output?.record.n ?? 0, chainHash: output?.record.hash ?? CHAIN_START, k: checkpoint?.record.k ?? 0 };
  }

  async checkpoints(at: ThreadAddress, limit: number): Promise<Stored<CheckpointRecord>[]> {
    return this.shard(at.shard).under(this.prefix(at, 'ck')).map((held) => stored<CheckpointRecord>(held)!)
      .sort((a, b) => b.record.k - a.record.k).slice(0, limit);
  }

  async newestIntent(at: ThreadAddress): Promise<Stored<IntentRecord> | undefined> {
    return stored(this.shard(at.shard).newest(this.prefix(at, 'intent')));
  }

  async read(at: ThreadAddress, options: { readonly afterSeq: number; readonly subscribes: readonly ThreadId[] }): Promise<JournalReader> {
    const prefixes = [this.prefix(at, 'in'), ...options.subscribes.map((thread) => this.prefix({ shard: at.shard, thread }, 'out'))];
    const matches = ({ subject }: Held): boolean => prefixes.some((prefix) => subject.startsWith(prefix));
    const follower = follow(this.shard(at.shard), options.afterSeq, matches);
    async function* entries(): AsyncGenerator<JournalEntry, void, void> {
      for await (const held of follower) yield entryOf(held);
    }
    return { pending: follower.pending, close: follower.close, [Symbol.asyncIterator]: entries };
  }

  async readOutputs(at: ThreadAddress, { afterN, follow: forever }: { readonly afterN: number; readonly follow: boolean }): Promise<AsyncIterable<Stored<OutRecord>> & { close(): Promise<void> }> {
    const shard = this.shard(at.shard);
    const untilN = (await this.tail(at)).outN;
    if (untilN > afterN && !shard.at(this.subjects.output(at, afterN + 1))) {
      throw new OperationError('not-found', `thread ${at.thread}: outputs ${afterN + 1} to ${untilN} are not in the journal (any more)`, { effect: 'none' });
    }
    const prefix = this.prefix(at, 'out');
    const follower = follow(shard, 0, ({ subject }) => subject.startsWith(prefix));
    async function* outputs(): AsyncGenerator<Stored<OutRecord>, void, void> {
      if (!forever && afterN >= untilN) return;
      for await (const held of follower) {
        const output = stored<OutRecord>(held)!;
        if (output.record.n <= afterN) continue;
        yield output;
        if (!forever && output.record.n === untilN) return;
      }
    }
    return { close: follower.close, [Symbol.asyncIterator]: outputs };
  }

  async purge(at: ThreadAddress, marks: { readonly inputsBelowSeq: number; readonly outputsBelowSeq: number; readonly checkpointsBelow: number }): Promise<{ purged: number }> {
    const shard = this.shard(at.shard);
    const outputs = shard.under(this.prefix(at, 'out'));
    const checkpoints = await this.checkpoints(at, Number.POSITIVE_INFINITY);
    const going = [
      ...shard.under(this.prefix(at, 'in')).filter(({ seq }) => seq < marks.inputsBelowSeq),
      ...outputs.slice(0, -1).filter(({ seq }) => seq < marks.outputsBelowSeq),
      ...checkpoints.slice(1).filter(({ record }) => record.k < marks.checkpointsBelow).map(({ record }) => shard.at(this.subjects.checkpoint(at, record.k))!),
    ];
    for (const held of going) shard.remove(held);
    return { purged: going.length };
  }

  async lastSeq(shard: ShardId): Promise<number> { return this.shard(shard).lastSeq; }
}

function entryOf(held: Held): JournalEntry {
  const [thread, type] = held.subject.split('.').slice(-3);
  const place = { thread: threadId(thread!), seq: held.seq, atMs: held.atMs };
  return type === 'out' ? { type, ...place, record: held.record as OutRecord } : { type: 'in', ...place, record: held.record as InRecord };
}

function follow(shard: Shard, afterSeq: number, matches: (held: Held) => boolean) {
  let cursor = afterSeq;
  let closed = false;
  async function* records(): AsyncGenerator<Held, void, void> {
    while (!closed) {
      const next = shard.after(cursor).find(matches);
      if (next) {
        cursor = next.seq;
        yield next;
      } else {
        await shard.change();
      }
    }
  }
  return {
    pending: () => shard.after(cursor).filter(matches).length,
    close: async () => { closed = true; shard.wake(); },
    [Symbol.asyncIterator]: records,
  };
}

interface AppenderSetting {
  readonly fence: Fence;
  readonly at: ThreadAddress;
  readonly subjects: ReturnType<typeof journalSubjects>;
  newestOwn(): Stored<OwnRecord> | undefined;
  present(subject: string): Held | undefined;
  append(subject: string, record: AnyRecord): number;
}

class MemoryAppender implements FencedAppender {
  readonly backlog = 0;
  refusedAppends = 0;
  private ended: AppendOutcome | undefined;
  private closed = false;
  private lastN: number | undefined;

  constructor(private readonly setting: AppenderSetting) {}

  get fence(): Fence { return this.setting.fence; }

  async appendOutputs(outputs: readonly ThreadOutput[]): Promise<AppendOutcome> {
    assert(outputs.length > 0, 'appendOutputs: at least one output');
    let last: AppendOutcome | undefined;
    let anyAppended = false;
    for (const output of outputs) {
      const dueN = (this.lastN ?? output.n - 1) + 1;
      assert(this.ended || output.n === dueN, `appendOutputs: output ${output.n} where ${dueN} was due`);
      this.lastN = output.n;
      last = this.append(this.setting.subjects.output(this.setting.at, output.n), { ...output, epoch: this.fence.epoch },
        (present) => (present as OutRecord).hash === output.hash ? undefined : refuse('output-diverged', `output ${output.n} is in the journal with another hash`, 'hash'));
      if (last.result === 'diverged') this.ended = last;
      if (last.result === 'diverged' || last.result === 'fenced') return last;
      anyAppended ||= last.result === 'appended';
    }
    return anyAppended ? { ...(last as { seq: number }), result: 'appended' } : last!;
  }

  async appendCheckpoint(record: Omit<CheckpointRecord, 'epoch'>): Promise<AppendOutcome> {
    return this.append(this.setting.subjects.checkpoint(this.setting.at, record.k), { ...record, epoch: this.fence.epoch },
      (present) => (present as CheckpointRecord).digest === record.digest ? undefined : refuse('conflict', `checkpoint ${record.k} is in the journal with another digest`, 'digest'));
  }

  async appendIntent(record: Omit<IntentRecord, 'epoch'>): Promise<AppendOutcome> {
    return this.append(this.setting.subjects.intent(this.setting.at, this.fence.epoch), { ...record, epoch: this.fence.epoch },
      (present) => (present as IntentRecord).migration === record.migration ? undefined : refuse('conflict', `epoch ${this.fence.epoch} has an intent already`, 'epoch'));
  }

  async appendTimer(requestId: RequestId): Promise<AppendOutcome> {
    return this.append(this.setting.subjects.input(this.setting.at, requestId), { requestId, kind: 'timer', messages: [] },
      (present) => (present as InRecord).kind === 'timer' ? undefined : refuse('conflict', `${requestId} is the id of another input`, 'requestId'));
  }

  private append(subject: string, record: AnyRecord, judge: (present: AnyRecord) => Refusal | undefined): AppendOutcome {
    if (this.closed) throw new OperationError('append-refused', 'the appender was closed', { effect: 'none' });
    if (this.ended && this.ended.result !== 'fenced') return this.ended;
    const newest = this.setting.newestOwn();
    if (!newest || newest.record.epoch < this.fence.epoch) throw new OperationError('broker-regressed', `epoch ${this.fence.epoch} is not in the journal`, { effect: 'none' });
    if (newest.record.epoch > this.fence.epoch) {
      this.refusedAppends += 1;
      return (this.ended = { result: 'fenced', newest });
    }
    const present = this.setting.present(subject);
    if (!present) return { result: 'appended', seq: this.setting.append(subject, record) };
    const refusal = judge(present.record);
    return refusal ? { result: 'diverged', refusal } : { result: 'repeated', seq: present.seq };
  }

  close(): void { this.closed = true; }
}

const same = (a: InRecord | AnyRecord, b: AnyRecord): boolean => JSON.stringify(a, plainBytes) === JSON.stringify(b, plainBytes);
const plainBytes = (_key: string, value: unknown): unknown => (value instanceof Uint8Array ? [...value] : value);
