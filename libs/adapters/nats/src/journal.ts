/** The journal port on JetStream. See `fenced-appender.ts` for what an owner appends, `shard-stream.ts` for what it rests on. */
import { assert, isRefusal, OperationError, refuse, type Refusal, type ShardId, type ThreadId } from '@godwit/kernel';
import {
  journalSubjects, shardStream,
  type CheckpointRecord, type Fence, type FencedAppender, type InRecord, type IntentRecord, type Journal, type JournalReader,
  type OutRecord, type OwnOutcome, type OwnRecord, type Stored, type ThreadAddress, type ThreadTail,
} from '@godwit/journal';
import { CHAIN_START } from '@godwit/snapshot';
import { checkpointRecordCodec, inRecordCodec, intentRecordCodec, outRecordCodec, ownRecordCodec } from '@godwit/wire';
import { randomUUID } from 'node:crypto';
import { asUnknown, fenceHeaders, sendOne, type AppendAnswer } from './append.js';
import { NATS_TIMEOUTS, type NatsLink } from './connection.js';
import { NatsFencedAppender } from './fenced-appender.js';
import { apiOrThrow, backoffMs, decoded, getRecord, pause, type RawRecord } from './leader.js';
import { purgeBelow, purgeSubject } from './purge.js';
import { openRawReader } from './reader.js';
import { ensureShardStream } from './shard-stream.js';
import { journalReader, missing, outputReader, type OnMalformed } from './thread-readers.js';

/** Names one call of `appendOwn`, so that a controller whose answer was lost can tell its own record from a rival's equal one. */
const APPEND_ID_HEADER = 'Godwit-Append';
const DEFAULT_BATCH = 256;

export interface NatsJournalOptions {
  /** A tenant's prefix of all subjects, such as `acme.`. */
  readonly prefix?: string;
  /** Servers that hold each shard: 1, or 3 in a cluster. Default 1. */
  readonly replicas?: 1 | 3;
  /** Told of each skipped input that is no journal record. Default: a warning of the process. */
  readonly onMalformed?: OnMalformed;
}

const warn: OnMalformed = (seq, subject, { reason }) => process.emitWarning(`journal record ${seq} (${subject}) is skipped: ${reason}`);

export const natsJournal = (link: NatsLink, options: NatsJournalOptions = {}): Journal => new NatsJournal(link, options);

class NatsJournal implements Journal {
  private readonly prefix: string;
  private readonly subjects: ReturnType<typeof journalSubjects>;

  constructor(private readonly link: NatsLink, private readonly options: NatsJournalOptions) {
    this.prefix = options.prefix ?? '';
    this.subjects = journalSubjects(this.prefix);
  }

  ensureShard(shard: ShardId): Promise<void> {
    return ensureShardStream(this.link, shard, { prefix: this.prefix, replicas: this.options.replicas ?? 1 });
  }

  async appendInput(at: ThreadAddress, record: InRecord): Promise<{ seq: number; duplicate: boolean } | Refusal> {
    const payload = inRecordCodec.encode(record);
    const limitBytes = (this.link.nc.info?.max_payload ?? Number.POSITIVE_INFINITY) - 1024;
    if (payload.length > limitBytes) return refuse('payload-too-large', `the input has ${payload.length} bytes, the broker takes ${limitBytes}`, 'messages');
    const subject = this.subjects.input(at, record.requestId);
    return this.untilResolved(`append to ${subject}`, () => sendOne(this.link, { subject, payload }, {}), async (answer) => {
      if (answer.kind === 'stored') return { seq: answer.lastSeq, duplicate: false };
      if (answer.kind !== 'exists') return undefined;
      const present = await this.last(at, subject);
      if (!present) return undefined;
      // Compared as this version encodes it, so that an older writer's bytes do not look like other content.
      const there = inRecordCodec.decode(present.data);
      const same = !isRefusal(there) && Buffer.compare(inRecordCodec.encode(there), payload) === 0;
      return same ? { seq: present.seq, duplicate: true } : refuse('conflict', `request ${record.requestId} is in the journal with other content`, 'requestId');
    });
  }

  newestOwn(at: ThreadAddress): Promise<Stored<OwnRecord> | undefined> {
    return this.newest(at, this.subjects.owns(at), ownRecordCodec.decode);
  }
  ownOf(at: ThreadAddress, epoch: number): Promise<Stored<OwnRecord> | undefined> {
    return this.newest(at, this.subjects.own(at, epoch), ownRecordCodec.decode);
  }

  async appendOwn(at: ThreadAddress, expectedSeq: number, record: OwnRecord): Promise<OwnOutcome> {
    const subject = this.subjects.own(at, record.epoch);
    const payload = ownRecordCodec.encode(record);
    const appendId = randomUUID();
    const headers = { ...fenceHeaders(this.subjects.owns(at), expectedSeq), [APPEND_ID_HEADER]: appendId };
    return this.untilResolved(`append to ${subject}`, () => sendOne(this.link, { subject, payload }, headers), async (answer) => {
      const newest = await this.last(at, answer.kind === 'stored' ? subject : this.subjects.owns(at));
      if (newest?.headerText.includes(`${APPEND_ID_HEADER}: ${appendId}\r\n`)) return { result: 'appended', own: decoded<OwnRecord>(newest, ownRecordCodec.decode) };
      // Still the record that the caller saw: appends crossed on a replicated stream, or the broker was silent.
      if ((newest?.seq ?? 0) === expectedSeq && answer.kind !== 'exists') return undefined;
      return { result: 'lost', newest: newest && decoded<OwnRecord>(newest, ownRecordCodec.decode) };
    });
  }

  fencedAppender(at: ThreadAddress, fence: Fence): FencedAppender {
    const { subjects } = this;
    return new NatsFencedAppender({
      link: this.link, fence,
      subjects: {
        owns: subjects.owns(at), output: (n) => subjects.output(at, n), checkpoint: (k) => subjects.checkpoint(at, k),
        intent: (epoch) => subjects.intent(at, epoch), input: (requestId) => subjects.input(at, requestId),
      },
      newestOwn: () => this.newestOwn(at),
      record: (subject) => this.last(at, subject),
    });
  }

  async tail(at: ThreadAddress): Promise<ThreadTail> {
    const output = await this.newest<OutRecord>(at, this.subjects.outputs(at), outRecordCodec.decode);
    const checkpoint = await this.newest<CheckpointRecord>(at, this.subjects.checkpoints(at), checkpointRecordCodec.decode);
    return { outN: output?.record.n ?? 0, chainHash: output?.record.hash ?? CHAIN_START, k: checkpoint?.record.k ?? 0 };
  }

  async checkpoints(at: ThreadAddress, limit: number): Promise<Stored<CheckpointRecord>[]> {
    const found: Stored<CheckpointRecord>[] = [];
    for (const k of (await this.checkpointNumbers(at)).slice(0, limit)) {
      const raw = await this.last(at, this.subjects.checkpoint(at, k));
      if (raw) found.push(decoded(raw, checkpointRecordCodec.decode));
    }
    return found;
  }

  newestIntent(at: ThreadAddress): Promise<Stored<IntentRecord> | undefined> {
    return this.newest(at, this.subjects.intents(at), intentRecordCodec.decode);
  }

  async read(at: ThreadAddress, options: { readonly afterSeq: number; readonly subscribes: readonly ThreadId[]; readonly batch?: number }): Promise<JournalReader> {
    const subscribed = options.subscribes.map((thread) => this.subjects.outputs({ shard: at.shard, thread }));
    const raw = await openRawReader(this.link, {
      stream: this.stream(at), filters: [...new Set([this.subjects.inputs(at), ...subscribed])],
      fromSeq: options.afterSeq + 1, batch: options.batch ?? DEFAULT_BATCH,
    });
    return journalReader(raw, this.options.onMalformed ?? warn);
  }

  async readOutputs(at: ThreadAddress, { afterN, follow }: { readonly afterN: number; readonly follow: boolean }): Promise<AsyncIterable<Stored<OutRecord>> & { close(): Promise<void> }> {
    const newest = await this.newest<OutRecord>(at, this.subjects.outputs(at), outRecordCodec.decode);
    const newestN = newest?.record.n ?? 0;
    let fromSeq = (newest?.seq ?? 0) + 1;
    if (newestN > afterN) {
      const first = await this.last(at, this.subjects.output(at, afterN + 1));
      if (!first) throw missing(at.thread, afterN + 1, newestN);
      fromSeq = first.seq;
    }
    const raw = await openRawReader(this.link, { stream: this.stream(at), filters: [this.subjects.outputs(at)], fromSeq, batch: DEFAULT_BATCH });
    return outputReader(raw, at, { afterN, untilN: follow ? undefined : newestN });
  }

  async purge(at: ThreadAddress, marks: { readonly inputsBelowSeq: number; readonly outputsBelowSeq: number; readonly checkpointsBelow: number }): Promise<{ purged: number }> {
    const stream = this.stream(at);
    const newestOutput = await this.last(at, this.subjects.outputs(at));
    let purged = await purgeBelow(this.link, stream, this.subjects.inputs(at), marks.inputsBelowSeq);
    purged += await purgeBelow(this.link, stream, this.subjects.outputs(at), Math.min(marks.outputsBelowSeq, newestOutput?.seq ?? 0));
    const [, ...olderCheckpoints] = await this.checkpointNumbers(at);
    for (const k of olderCheckpoints) {
      if (k < marks.checkpointsBelow) purged += await purgeSubject(this.link, stream, this.subjects.checkpoint(at, k));
    }
    return { purged };
  }

  async lastSeq(shard: ShardId): Promise<number> {
    return (await apiOrThrow<{ state: { last_seq: number } }>(this.link, `STREAM.INFO.${shardStream(shard, this.prefix)}`)).state.last_seq;
  }

  private stream(at: ThreadAddress): string {
    return shardStream(at.shard, this.prefix);
  }

  /** The newest record under a subject, which may end in `*`; from the leader. */
  private last(at: ThreadAddress, subject: string): Promise<RawRecord | undefined> {
    return getRecord(this.link, this.stream(at), { last_by_subj: subject });
  }

  private async newest<Rec extends object>(at: ThreadAddress, subject: string, decode: (bytes: Uint8Array) => Rec | Refusal): Promise<Stored<Rec> | undefined> {
    const raw = await this.last(at, subject);
    return raw && decoded(raw, decode);
  }

  /** Newest first. */
  private async checkpointNumbers(at: ThreadAddress): Promise<number[]> {
    const filter = this.subjects.checkpoints(at);
    const info = await apiOrThrow<{ state: { subjects?: Record<string, number> }; total?: number }>(this.link, `STREAM.INFO.${this.stream(at)}`, { subjects_filter: filter });
    const numbers = Object.keys(info.state.subjects ?? {}).map((subject) => Number(subject.slice(filter.length - 1)));
    assert(numbers.every(Number.isSafeInteger), `${filter}: checkpoint subjects end in numbers`);
    return numbers.sort((a, b) => b - a);
  }

  /**
   * Sends until `resolve` gives a result. Each append is create-only, so sending it again cannot double it.
   * @throws OperationError, effect `unknown`, after `NATS_TIMEOUTS.appendLimitMs`.
   */
  private async untilResolved<Result>(what: string, send: () => Promise<AppendAnswer>, resolve: (answer: AppendAnswer) => Promise<Result | undefined>): Promise<Result> {
    const limitAtMs = performance.now() + NATS_TIMEOUTS.appendLimitMs;
    for (let attempt = 0; ; attempt++) {
      const answer = await send();
      const result = await resolve(answer).catch((error: unknown) => { throw asUnknown(error); });
      if (result !== undefined) return result;
      if (performance.now() > limitAtMs) {
        throw asUnknown('error' in answer ? answer.error : new OperationError('timeout', `${what}: refused again and again`, { effect: 'unknown' }));
      }
      await pause(backoffMs(attempt));
    }
  }
}
