/**
 * The journal port of one simulated process: asks the broker over the simulated network, and resolves doubts as the
 * adapter for NATS does. Fenced appends go through `AppendQueue`, which has the rules of that adapter's `FencedAppender` and is not
 * yet used by it: what schedules show of appends is shown of this copy of the rules.
 */
import { OperationError, refuse, type Refusal, type ShardId, type ThreadId } from '@godwit/kernel';
import type {
  CheckpointRecord, Fence, FencedAppender, InRecord, IntentRecord, Journal, JournalEntry, JournalReader, OutRecord, OwnOutcome, OwnRecord, Stored, ThreadAddress, ThreadTail,
} from '@godwit/journal';
import { AppendQueue, asUnknown, QueuedAppender, type Appendable, type AppendAnswer, type Appended } from '@godwit/handover';
import { CHAIN_START } from '@godwit/snapshot';
import { subjects, type Append, type Broker, type Entry, type Kept } from './broker.js';
import type { Net } from './net.js';
import type { Proc } from './proc.js';

/** The same as on NATS, see `NATS_TIMEOUTS`. */
const ATTEMPT_MS = 2_000;
const APPEND_LIMIT_MS = 15_000;
const READ_LIMIT_MS = 10_000;
const POLL_MS = 2_000;
const LIMITS = { batchRecords: 1_000, batchBytes: 2 * 1024 * 1024, appendMs: APPEND_LIMIT_MS };

interface Item extends Appendable<Entry> {
  readonly append: Append;
}
const stored = <Rec>(entry: Entry | undefined): Stored<Rec> | undefined => entry && { seq: entry.seq, atMs: entry.atMs, record: entry.kept.record as Rec };

/** What a planted bug changes in the client. */
export interface JournalHabits {
  /** True: an unequal output under a number that is there counts as the same. */
  acceptsOtherHash: boolean;
}

export class SimJournal implements Journal {
  readonly habits: JournalHabits = { acceptsOtherHash: false };
  private appendCount = 0;

  constructor(private readonly proc: Proc, private readonly broker: Broker, private readonly net: Net) {}

  private backOff(attempt: number): Promise<void> {
    return new Promise((resolve) => { this.proc.timers.after(2 ** Math.min(attempt, 7), resolve); });
  }

  /** Asked again while nobody answers. @throws OperationError after `READ_LIMIT_MS`. */
  private async read_<Reply>(serve: (broker: Broker) => Reply): Promise<Reply> {
    const deadlineMs = this.proc.clock.monotonicMs() + READ_LIMIT_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.net.ask(this.proc, this.broker.proc, ATTEMPT_MS, () => serve(this.broker));
      } catch (error) {
        if (!(error instanceof OperationError) || this.proc.clock.monotonicMs() > deadlineMs) throw error;
      }
      await this.backOff(attempt);
    }
  }

  private async send(records: readonly Append[]): Promise<AppendAnswer> {
    try {
      return await this.net.ask(this.proc, this.broker.proc, ATTEMPT_MS, () => this.broker.append(records));
    } catch (error) {
      if (error instanceof OperationError) return { kind: 'unknown', error };
      throw error;
    }
  }

  /** @throws OperationError, effect `unknown`, after `APPEND_LIMIT_MS`. */
  private async untilResolved<Result>(what: string, append: Append, resolve: (answer: AppendAnswer) => Promise<Result | undefined>): Promise<Result> {
    const limitAtMs = this.proc.clock.monotonicMs() + APPEND_LIMIT_MS;
    for (let attempt = 0; ; attempt++) {
      const answer = await this.send([append]);
      const result = await resolve(answer).catch((error: unknown) => { throw asUnknown(error); });
      if (result !== undefined) return result;
      if (this.proc.clock.monotonicMs() > limitAtMs) {
        throw asUnknown('error' in answer ? answer.error : new OperationError('timeout', `${what}: refused again and again`, { effect: 'unknown' }));
      }
      await this.backOff(attempt);
    }
  }

  ensureShard(): Promise<void> {
    return Promise.resolve();
  }

  appendInput(at: ThreadAddress, record: InRecord): Promise<{ seq: number; duplicate: boolean } | Refusal> {
    const subject = subjects.input(at, record.requestId);
    return this.untilResolved(`append to ${subject}`, { subject, thread: at.thread, kept: { type: 'in', record } }, async (answer) => {
      if (answer.kind === 'stored') return { seq: answer.lastSeq, duplicate: false };
      if (answer.kind !== 'exists') return undefined;
      const present = await this.read_((broker) => broker.at(subject));
      if (!present) return undefined;
      const same = JSON.stringify(present.kept.record) === JSON.stringify(record);
      return same ? { seq: present.seq, duplicate: true } : refuse('conflict', `request ${record.requestId} is in the journal with other content`, 'requestId');
    });
  }

  newestOwn(at: ThreadAddress): Promise<Stored<OwnRecord> | undefined> {
    return this.read_((broker) => broker.newestOwn(at.thread));
  }
  ownOf(at: ThreadAddress, epoch: number): Promise<Stored<OwnRecord> | undefined> {
    return this.read_((broker) => stored<OwnRecord>(broker.at(subjects.own(at, epoch))));
  }

  appendOwn(at: ThreadAddress, expectedSeq: number, record: OwnRecord): Promise<OwnOutcome> {
    const subject = subjects.own(at, record.epoch);
    const appendId = `${this.proc.name}-${this.proc.life}-${this.appendCount++}`;
    const append: Append = { subject, thread: at.thread, kept: { type: 'own', record }, expectedOwnSeq: expectedSeq, appendId };
    return this.untilResolved(`append to ${subject}`, append, async (answer) => {
      const newest = await this.read_((broker) => (answer.kind === 'stored' ? broker.at(subject) : broker.newest(at.thread, 'own')));
      if (newest?.appendId === appendId) return { result: 'appended', own: stored<OwnRecord>(newest)! };
      if ((newest?.seq ?? 0) === expectedSeq && answer.kind !== 'exists') return undefined;
      return { result: 'lost', newest: stored<OwnRecord>(newest) };
    });
  }

  fencedAppender(at: ThreadAddress, fence: Fence): FencedAppender {
    const queue = new AppendQueue<Item, Entry>(fence, subjects.owns(at), {
      send: (items, ownSeq) => this.send(items.map(({ append }) => ({ ...append, expectedOwnSeq: ownSeq }))),
      record: (subject) => this.read_((broker) => broker.at(subject)),
      newestOwn: () => this.newestOwn(at),
      backOff: (attempt) => this.backOff(attempt),
    }, this.proc.clock, LIMITS);
    return new QueuedAppender<Item, Entry>(queue, (appended, judge) => ({
      subject: subjectOf(at, appended), isOutput: appended.type === 'out', sizeBytes: 100,
      append: { subject: subjectOf(at, appended), thread: at.thread, kept: appended },
      judge: (present) => (this.habits.acceptsOtherHash ? 'same' : judge(present.kept.record as Appended['record'])),
    }));
  }

  tail(at: ThreadAddress): Promise<ThreadTail> {
    return this.read_((broker) => {
      const output = broker.newest(at.thread, 'out')?.kept.record as OutRecord | undefined;
      const checkpoint = broker.newest(at.thread, 'ck')?.kept.record as CheckpointRecord | undefined;
      return { outN: output?.n ?? 0, chainHash: output?.hash ?? CHAIN_START, k: checkpoint?.k ?? 0 };
    });
  }

  checkpoints(at: ThreadAddress, limit: number): Promise<Stored<CheckpointRecord>[]> {
    return this.read_((broker) => broker.list(at.thread, 'ck').map((entry) => stored<CheckpointRecord>(entry)!).sort((a, b) => b.record.k - a.record.k).slice(0, limit));
  }

  newestIntent(at: ThreadAddress): Promise<Stored<IntentRecord> | undefined> {
    return this.read_((broker) => stored<IntentRecord>(broker.newest(at.thread, 'intent')));
  }

  async read(at: ThreadAddress, options: { readonly afterSeq: number; readonly subscribes: readonly ThreadId[] }): Promise<JournalReader> {
    const producers = new Set(options.subscribes);
    const follower = this.follow(options.afterSeq, ({ thread, kept }) => (kept.type === 'in' && thread === at.thread) || (kept.type === 'out' && producers.has(thread)));
    async function* entries(): AsyncGenerator<JournalEntry, void, void> {
      for await (const { seq, atMs, thread, kept } of follower.entries()) yield { seq, atMs, thread, type: kept.type, record: kept.record } as JournalEntry;
    }
    return { pending: follower.pending, close: follower.close, [Symbol.asyncIterator]: entries };
  }

  async readOutputs(at: ThreadAddress, { afterN }: { readonly afterN: number; readonly follow: boolean }): Promise<AsyncIterable<Stored<OutRecord>> & { close(): Promise<void> }> {
    const follower = this.follow(0, ({ thread, kept }) => kept.type === 'out' && thread === at.thread && (kept.record as OutRecord).n > afterN);
    async function* outputs(): AsyncGenerator<Stored<OutRecord>, void, void> {
      let lastN = afterN;
      for await (const entry of follower.entries()) {
        const output = stored<OutRecord>(entry)!;
        if (output.record.n !== lastN + 1) throw new OperationError('not-found', `thread ${at.thread}: output ${lastN + 1} is not in the journal (any more)`, { effect: 'none' });
        lastN = output.record.n;
        yield output;
      }
    }
    return { close: follower.close, [Symbol.asyncIterator]: outputs };
  }

  private follow(afterSeq: number, matches: (entry: Entry) => boolean) {
    let cursor = afterSeq;
    let pending = 0;
    let end: () => void = () => undefined;
    let closed = false;
    const closing = new Promise<'closed'>((resolve) => (end = () => { closed = true; resolve('closed'); }));
    const next = async (): Promise<readonly Entry[]> => {
      try {
        const reply = await this.net.ask(this.proc, this.broker.proc, POLL_MS, () => this.broker.fetch(cursor, matches, 64));
        pending = reply.pending;
        return reply.entries;
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return []; // silence: asked again
      }
    };
    async function* entries(): AsyncGenerator<Entry, void, void> {
      while (!closed) {
        const some = await Promise.race([next(), closing]);
        if (some === 'closed') return;
        for (const entry of some) {
          if (closed) return;
          if (entry.seq <= cursor) continue;
          cursor = entry.seq;
          yield entry;
        }
      }
    }
    return { entries, pending: () => pending, close: async () => end() };
  }

  purge(at: ThreadAddress, marks: { readonly inputsBelowSeq: number; readonly outputsBelowSeq: number; readonly checkpointsBelow: number }): Promise<{ purged: number }> {
    return this.read_((broker) => broker.purge(at.thread, marks));
  }
  lastSeq(_shard: ShardId): Promise<number> {
    return this.read_((broker) => broker.lastSeq);
  }
}

function subjectOf(at: ThreadAddress, kept: Kept): string {
  switch (kept.type) {
    case 'out': return subjects.output(at, kept.record.n);
    case 'ck': return subjects.checkpoint(at, kept.record.k);
    case 'intent': return subjects.intent(at, kept.record.epoch);
    case 'in': return subjects.input(at, kept.record.requestId);
    case 'own': return subjects.own(at, kept.record.epoch);
  }
}
