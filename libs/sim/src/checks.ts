/** The invariants of RELIABILITY section 3 on a simulated history: after every append, every release and at the end. */
import type { ThreadId } from '@godwit/kernel';
import type { CheckpointRecord, IntentRecord, JournalEntry, OutRecord, OwnRecord } from '@godwit/journal';
import { isSettled, type MigrationState } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import { CHAIN_START } from '@godwit/snapshot';
import type { Entry } from './broker.js';
import { Chain, Model, utf8 } from './program.js';

export class Violation extends Error {
  override readonly name = 'Violation';
  constructor(readonly invariant: string, text: string) {
    super(`${invariant}: ${text}`);
  }
}

export interface ThreadTruth {
  readonly spec: ThreadSpec;
  /** Its program draws nonces, whatever it is registered as. */
  readonly random: boolean;
}
interface Followed extends ThreadTruth {
  readonly model: Model;
  readonly chain: Chain;
  own: OwnRecord | undefined;
  readonly owns: Map<number, OwnRecord>;
  readonly intents: IntentRecord[];
  readonly outs: Map<number, OutRecord>;
  readonly inputs: Set<string>;
}

export class Checks {
  private readonly threads = new Map<ThreadId, Followed>();
  private readonly told = new Map<string, MigrationState>();
  readonly visible = new Map<ThreadId, OutRecord[]>();
  /** Threads of which the answer to a probe was released. */
  readonly answered = new Set<ThreadId>();
  readonly counts = { owns: 0, outputs: 0, inputs: 0, checkpoints: 0, intents: 0, released: 0, committed: 0, 'rolled-back': 0, 'failed-over': 0, 're-granted': 0 };

  constructor(threads: readonly ThreadTruth[], private readonly fail: (violation: Violation) => void) {
    for (const truth of threads) {
      this.threads.set(truth.spec.thread, { ...truth, model: new Model(), chain: new Chain(), own: undefined, owns: new Map(), intents: [], outs: new Map(), inputs: new Set() });
      this.visible.set(truth.spec.thread, []);
    }
  }

  /** After the broker went back the models follow it no longer. */
  blind = false;

  private violated(invariant: string, text: string): void {
    this.fail(new Violation(invariant, text));
  }

  onAppend(entry: Entry): void {
    const thread = this.threads.get(entry.thread)!;
    const { kept } = entry;
    switch (kept.type) {
      case 'own': return this.onOwn(thread, kept.record);
      case 'in':
        this.counts.inputs++;
        if (kept.record.kind === 'message' && thread.inputs.has(kept.record.requestId)) this.violated('I5', `${entry.thread}: input ${kept.record.requestId} was taken twice`);
        thread.inputs.add(kept.record.requestId);
        return this.consumed(entry);
      case 'out': return this.onOutput(thread, entry, kept.record);
      case 'ck': return this.onCheckpoint(thread, kept.record);
      case 'intent':
        this.counts.intents++;
        this.sameEpoch(thread, 'intent', kept.record.epoch);
        thread.intents.push(kept.record);
    }
  }

  private consumed(entry: Entry): void {
    const journalEntry = { seq: entry.seq, atMs: entry.atMs, thread: entry.thread, type: entry.kept.type, record: entry.kept.record } as JournalEntry;
    for (const { spec, model, chain } of this.threads.values()) {
      const takes = entry.kept.type === 'in' ? spec.thread === entry.thread : spec.subscribes.includes(entry.thread);
      if (!takes) continue;
      model.take(journalEntry);
      chain.take(journalEntry);
    }
  }

  /** I1 and the part of I6 that one record shows. */
  private onOwn(thread: Followed, own: OwnRecord): void {
    const { spec: { thread: id } } = thread;
    this.counts.owns++;
    if (own.reason in this.counts) this.counts[own.reason as 'committed']++;
    const before = thread.own;
    if (own.epoch !== (before?.epoch ?? 0) + 1) this.violated('I1', `${id}: owner record of epoch ${own.epoch} behind epoch ${before?.epoch ?? 0}`);
    const intent = thread.intents.find(({ epoch }) => epoch === own.epoch - 1);
    if (own.reason === 'committed' && intent?.migration !== own.migration) this.violated('I6', `${id}: epoch ${own.epoch} commits ${own.migration ?? 'no migration'}, the intent is ${intent?.migration ?? 'not there'}`);
    if (own.reason === 'committed' && intent?.target !== own.device) this.violated('I6', `${id}: epoch ${own.epoch} commits to ${own.device}, not to the target`);
    if ((own.reason === 'rolled-back' || own.reason === 're-granted') && before && before.device !== own.device) this.violated('I6', `${id}: epoch ${own.epoch} is ${own.reason}, but goes from ${before.device} to ${own.device}`);
    if (own.migration && [...thread.owns.values()].some(({ migration }) => migration === own.migration)) this.violated('I6', `${id}: migration ${own.migration} has a second outcome in epoch ${own.epoch}`);
    thread.own = own;
    thread.owns.set(own.epoch, own);
  }

  /** I2. */
  private sameEpoch({ own, spec }: Followed, what: string, epoch: number): void {
    if (epoch !== own?.epoch) this.violated('I2', `${spec.thread}: ${what} of epoch ${epoch} while epoch ${own?.epoch ?? 0} is the newest`);
  }

  /** I3 and I5: in order, once, and what a sequential run would have made. */
  private onOutput(thread: Followed, entry: Entry, record: OutRecord): void {
    const { spec: { thread: id }, random, model, chain } = thread;
    this.counts.outputs++;
    this.sameEpoch(thread, `output ${record.n}`, record.epoch);
    const wrong = chain.check(record) ?? (random ? chain.checkContent(record) : undefined);
    if (wrong) this.violated('I3', `${id}: ${wrong}`);
    if (!random && model.hashes[record.n - 1] !== record.hash) this.violated('I5', `${id}: output ${record.n} is not what the journal's inputs give`);
    thread.outs.set(record.n, record);
    this.consumed(entry);
  }

  /** I8: the state that was saved is the state at that cursor. */
  private onCheckpoint(thread: Followed, record: CheckpointRecord): void {
    this.counts.checkpoints++;
    this.sameEpoch(thread, `checkpoint ${record.k}`, record.epoch);
    const due = thread.random ? undefined : thread.model.at(record.cursorSeq);
    if (due && (due.outN !== record.outN || due.chainHash !== record.chainHash)) this.violated('I8', `${thread.spec.thread}: checkpoint ${record.k} at ${record.cursorSeq} has output ${record.outN}, a sequential run has ${due.outN}`);
  }

  /** I4: released outputs are those of the journal, one after the other. */
  onReleased(id: ThreadId, record: OutRecord): void {
    const shown = this.visible.get(id)!;
    this.counts.released++;
    if (record.n !== shown.length + 1) this.violated('I4', `${id}: output ${record.n} released behind ${shown.length}`);
    if (!this.blind && record.hash !== this.threads.get(id)!.outs.get(record.n)?.hash) this.violated('I4', `${id}: output ${record.n} released with another hash than the journal's`);
    shown.push(record);
    if (!this.answered.has(id) && utf8.decode(record.messages[0]!.payload).startsWith('probe')) this.answered.add(id);
  }

  onStatus(state: MigrationState): void {
    this.told.set(state.migration, state);
  }
  /** Migrations of the controller whose ids begin so, and that it has not ended. */
  unsettledOf(prefix: string): MigrationState[] {
    return [...this.told.values()].filter(({ migration, phase }) => migration.startsWith(prefix) && !isSettled(phase));
  }
  openIntents(): string[] {
    return [...this.threads.values()].flatMap(({ intents, owns }) => intents.filter(({ epoch }) => !owns.has(epoch + 1)).map(({ migration }) => migration));
  }

  /** Records that the broker has lost: what was shown must still be there. */
  onLost(belowSeq: number, shownSeq: (id: ThreadId) => number): void {
    for (const [id, shown] of this.visible) {
      if (shown.length > 0 && shownSeq(id) > belowSeq) this.violated('I4', `${id}: output ${shown.length} was released, and the broker has lost it`);
    }
  }

  acknowledged(id: ThreadId, requestId: string): void {
    if (this.blind) return;
    if (!this.threads.get(id)!.inputs.has(requestId)) this.violated('I5', `${id}: input ${requestId} was acknowledged and is not in the journal`);
  }

  /** I6 at the end: every intent has its outcome, and what controllers told agrees with it. */
  atEnd(): void {
    for (const state of this.told.values()) {
      const thread = this.threads.get(state.thread)!;
      const next = thread.owns.get(state.epoch + 1);
      const mine = next?.migration === state.migration;
      const { migration, outcome } = state;
      if (outcome === 'committed' && !(mine && next.reason === 'committed')) this.violated('I6', `${migration} was told as committed, the journal has ${next ? next.reason : 'nothing'}`);
      if (outcome !== 'committed' && outcome !== undefined && mine && next.reason === 'committed') this.violated('I6', `${migration} was told as ${outcome}, the journal has it committed`);
      if (outcome === 'rolled-back' && state.newEpoch !== undefined && next?.device !== state.source) this.violated('I6', `${migration} was told as rolled back, the journal has ${next ? next.reason : 'nothing'}`);
    }
  }

  lastN(id: ThreadId): number {
    return this.threads.get(id)!.outs.size;
  }
  ownerOf(id: ThreadId): OwnRecord | undefined {
    return this.threads.get(id)!.own;
  }
  hashAt(id: ThreadId, n: number): string {
    return this.threads.get(id)!.outs.get(n)?.hash ?? CHAIN_START;
  }
}
