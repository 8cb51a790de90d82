/** Threads, outputs and records for the journal's contract suite. */
import { createHash } from 'node:crypto';
import { assert, deviceId, migrationId, requestId, shardId, threadId, type DeviceId, type Sha256, type ThreadId } from '@godwit/kernel';
import type { CheckpointRecord, InRecord, IntentRecord, Journal, JournalEntry, OutRecord, OwnRecord, Stored, ThreadAddress } from '@godwit/journal';
import { CHAIN_START, chainOutput, type ThreadOutput } from '@godwit/snapshot';

/** A journal, and what the suite does to it. */
export interface JournalUnderTest extends AsyncDisposable {
  readonly journal: Journal;
  /** Another client of the same store, with a connection of its own. */
  another(): Promise<Journal>;
  /** The next append through `journal` reaches the broker, its answer is lost and the connection breaks. Absent where nothing can be lost. */
  readonly faults?: { loseNextAnswer(): void; answersLost(): number };
}

export const sha256 = (...parts: readonly Uint8Array[]): Sha256 => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};
const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Outputs 1 to `count` of a thread whose program writes `text` and the number; `from` on, chained from the start. */
export function outputs(range: { readonly from: number; readonly to: number }, text = 'count'): ThreadOutput[] {
  const made: ThreadOutput[] = [];
  let hash = CHAIN_START;
  for (let n = 1; n <= range.to; n++) {
    const output = chainOutput(hash, { n, causedBySeq: 0, originMs: 0, messages: [{ kind: 'tick', payload: utf8(`${text} ${n}`) }] }, sha256);
    hash = output.hash;
    made.push(output);
  }
  return made.slice(range.from - 1);
}

export const own = (epoch: number, device: string, reason: OwnRecord['reason'] = 'placed'): OwnRecord =>
  ({ epoch, device: deviceId(device), reason, checkpoint: 0, note: `epoch ${epoch} to ${device}` });

export const input = (id: string, text = id): InRecord => ({ requestId: requestId(id), kind: 'message', messages: [{ kind: 'text', payload: utf8(text) }] });

export const checkpoint = (k: number, marks: { readonly cursorSeq: number; readonly outN: number }, device: DeviceId = deviceId('d1')): Omit<CheckpointRecord, 'epoch'> => ({
  k, device, runtime: 'task', program: sha256(utf8('program')), ...marks, chainHash: sha256(utf8(`chain ${k}`)), digest: sha256(utf8(`digest ${k}`)), bytes: 100, chunks: 1,
});

export const intent = (id: string): Omit<IntentRecord, 'epoch'> =>
  ({ migration: migrationId(id), source: deviceId('d1'), target: deviceId('d2'), note: 'a move' });

export class JournalFixture {
  readonly shard = shardId('contract');
  private under: JournalUnderTest | undefined;
  private threads = 0;

  async open(under: JournalUnderTest): Promise<void> {
    this.under = under;
    await under.journal.ensureShard(this.shard);
  }
  async close(): Promise<void> { await this.under?.[Symbol.asyncDispose](); }

  private get opened(): JournalUnderTest {
    assert(this.under, 'the journal under test is open');
    return this.under;
  }
  get journal(): Journal { return this.opened.journal; }
  get faults(): JournalUnderTest['faults'] { return this.opened.faults; }
  another(): Promise<Journal> { return this.opened.another(); }

  /** A thread that no other test uses. */
  thread(): ThreadAddress {
    this.threads += 1;
    return { shard: this.shard, thread: threadId(`t${this.threads}`) };
  }

  /** A thread with its first owner, and the appender of that ownership. */
  async owned(journal: Journal = this.journal) {
    const at = this.thread();
    const first = await this.grant(at, 1, 0, 'd1', journal);
    return { at, own: first, fence: { epoch: 1, ownSeq: first.seq }, appender: journal.fencedAppender(at, { epoch: 1, ownSeq: first.seq }) };
  }

  async grant(at: ThreadAddress, epoch: number, expectedSeq: number, device: string, journal: Journal = this.journal): Promise<Stored<OwnRecord>> {
    const outcome = await journal.appendOwn(at, expectedSeq, own(epoch, device, epoch === 1 ? 'placed' : 'failed-over'));
    assert(outcome.result === 'appended', `epoch ${epoch} was granted`);
    return outcome.own;
  }

  /** All outputs that the journal holds of a thread. */
  async outputsOf(at: ThreadAddress, afterN = 0): Promise<Stored<OutRecord>[]> {
    const reader = await this.journal.readOutputs(at, { afterN, follow: false });
    const found: Stored<OutRecord>[] = [];
    for await (const output of reader) found.push(output);
    await reader.close();
    return found;
  }

  /** The next `count` entries behind the cursor. */
  async entries(at: ThreadAddress, options: { readonly afterSeq: number; readonly subscribes?: readonly ThreadId[]; readonly count: number }): Promise<JournalEntry[]> {
    const reader = await this.journal.read(at, { afterSeq: options.afterSeq, subscribes: options.subscribes ?? [], batch: 16 });
    const found: JournalEntry[] = [];
    if (options.count > 0) {
      for await (const entry of reader) if (found.push(entry) === options.count) break;
    }
    await reader.close();
    return found;
  }
}

/** Numbers of outputs in order of the stream. */
export const numbers = (found: readonly Stored<OutRecord>[]): number[] => found.map(({ record }) => record.n);
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
