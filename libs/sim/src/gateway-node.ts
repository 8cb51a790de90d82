/**
 * The outside: clients that send inputs until they are accepted, a gateway that releases outputs behind its durable mark,
 * and the service that purges. The journal's own rules decide everything; these only use the port.
 */
import { isRefusal, OperationError, type RequestId, type ThreadId } from '@godwit/kernel';
import { purgeMarks, type CheckpointRecord, type Journal, type PurgeFacts, type PurgeMarks, type ThreadAddress } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import { SHARD, type Broker } from './broker.js';
import type { Checks } from './checks.js';
import type { Dice, EventLoop } from './loop.js';
import { Proc } from './proc.js';
import { utf8 } from './program.js';
import type { Store } from './store.js';

const RETRY_MS = 300;
/** Clients give up after this; purging keeps requests for longer (R8). */
const CLIENT_LIMIT_MS = 8_000;
const HORIZON_MS = 25_000;

interface Wanted {
  readonly thread: ThreadId;
  readonly requestId: string;
  readonly sinceMs: number;
}

export class GatewayNode {
  readonly proc: Proc;
  private journal!: Journal;
  private readonly wanted = new Map<string, Wanted>();
  private readonly acked: Wanted[] = [];
  /** Durable: the number and the sequence of the newest output that may have been shown. */
  private readonly marks = new Map<ThreadId, { n: number; seq: number }>();
  /** Set when the broker was found to be behind what was released. */
  stopped = false;
  readonly counts = { accepted: 0, repeated: 0, gaveUp: 0 };

  constructor(private readonly loop: EventLoop, private readonly dice: Dice, private readonly checks: Checks, private readonly threads: readonly ThreadSpec[], private readonly journalOf: (proc: Proc) => Journal, private readonly note: (text: string) => void) {
    this.proc = new Proc('gateway', loop);
  }

  boot(): void {
    this.proc.start();
    this.journal = this.journalOf(this.proc);
    for (const { thread } of this.threads) void this.release(thread, this.proc.life);
    for (const wanted of this.wanted.values()) void this.submit(wanted, this.proc.life);
  }
  crash(): void {
    this.proc.crash();
  }

  /** A new input, or one that was accepted before and comes again. */
  input(thread: ThreadId, requestId: string): void {
    const wanted: Wanted = { thread, requestId, sinceMs: this.loop.nowMs };
    this.wanted.set(`${thread}/${requestId}`, wanted);
    if (this.proc.alive) this.proc.deliver(() => void this.submit(wanted, this.proc.life));
  }
  again(): void {
    const recent = this.acked.filter(({ sinceMs }) => this.loop.nowMs - sinceMs < CLIENT_LIMIT_MS);
    if (recent.length > 0) this.input(this.dice.pick(recent).thread, this.dice.pick(recent).requestId);
  }

  private async submit(wanted: Wanted, life: number): Promise<void> {
    const { thread, requestId } = wanted;
    const key = `${thread}/${requestId}`;
    while (this.wanted.get(key) === wanted && this.proc.life === life) {
      if (this.loop.nowMs - wanted.sinceMs > CLIENT_LIMIT_MS || this.stopped) {
        this.wanted.delete(key);
        this.counts.gaveUp++;
        return;
      }
      try {
        const reply = await this.journal.appendInput({ shard: SHARD, thread }, { requestId: requestId as RequestId, kind: 'message', messages: [{ kind: '', payload: utf8.encode(requestId) }] });
        this.wanted.delete(key);
        if (isRefusal(reply)) return;
        this.counts[reply.duplicate ? 'repeated' : 'accepted']++;
        this.acked.push(wanted);
        this.checks.acknowledged(thread, requestId);
        return;
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        await this.pause(RETRY_MS);
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => { this.proc.timers.after(ms, resolve); });
  }

  private async release(thread: ThreadId, life: number): Promise<void> {
    const at: ThreadAddress = { shard: SHARD, thread };
    while (this.proc.life === life && !this.stopped) {
      try {
        await this.guard();
        if (this.stopped) return;
        const reader = await this.journal.readOutputs(at, { afterN: this.mark(thread).n, follow: true });
        for await (const { seq, record } of reader) {
          await this.pause(this.dice.between(0.1, 2)); // the mark is on disk before the output is shown
          this.marks.set(thread, { n: record.n, seq });
          this.checks.onReleased(thread, record);
        }
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
      }
      await this.pause(RETRY_MS);
    }
  }

  private mark(thread: ThreadId): { readonly n: number; readonly seq: number } {
    return this.marks.get(thread) ?? { n: 0, seq: 0 };
  }
  /** Highest sequence that was released. */
  releasedSeq(): number {
    return Math.max(0, ...[...this.marks.values()].map(({ seq }) => seq));
  }
  releasedSeqOf(thread: ThreadId): number {
    return this.mark(thread).seq;
  }
  /** Below this everything is released: what purging may rely on. */
  purgeSeq(): number {
    return Math.min(...this.threads.map(({ thread }) => this.mark(thread).seq));
  }

  reconnected(): void {
    this.proc.deliver(() => void this.guard().catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error; // asked again before the next output
    }));
  }

  /** A broker behind the mark has lost what it had acknowledged: nothing more is released. */
  private async guard(): Promise<void> {
    const released = this.releasedSeq();
    const lastSeq = await this.journal.lastSeq(SHARD);
    if (lastSeq >= released) return;
    this.stopped = true;
    this.note(`gateway ALARM broker ends at ${lastSeq}, released ${this.releasedSeq()}`);
  }
}

/** Removes what nobody can need again, by the production's `purgeMarks`. */
export class PurgerNode {
  readonly proc: Proc;
  purged = 0;
  /** Replaced by planted bugs. */
  marksOf: (facts: PurgeFacts, lastSeq: number) => PurgeMarks = purgeMarks;

  constructor(loop: EventLoop, private readonly parts: { readonly broker: Broker; readonly store: Store; readonly threads: readonly ThreadSpec[]; readonly gateway: GatewayNode; readonly journalOf: (proc: Proc) => Journal }) {
    this.proc = new Proc('transfer', loop);
    this.proc.start();
    const journal = parts.journalOf(this.proc);
    this.proc.timers.every(3_000, () => void this.round(journal).catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error; // tried again next time
    }));
  }

  private verified({ thread }: { readonly thread: ThreadId }): readonly CheckpointRecord[] {
    const { broker, store } = this.parts;
    const whole = broker.list(thread, 'ck').map(({ kept }) => kept.record as CheckpointRecord).filter((record) => store.has(thread, record)).reverse();
    const own = broker.newestOwn(thread)?.record;
    return own && whole[0] && whole[0].epoch >= own.epoch ? whole : [];
  }

  private async round(journal: Journal): Promise<void> {
    const { broker, store, threads, gateway } = this.parts;
    const nowMs = broker.proc.clock.nowMs();
    const horizon = broker.entries.findLast(({ atMs }) => nowMs - atMs > HORIZON_MS);
    for (const spec of threads) {
      const own = this.verified(spec);
      if (own.length === 0) continue;
      const subscribers = threads.filter(({ subscribes }) => subscribes.includes(spec.thread)).map((subscriber) => this.verified(subscriber));
      const marks = this.marksOf({ own, subscribers, gatewaySeq: gateway.purgeSeq(), horizonSeq: horizon?.seq ?? 0 }, broker.lastSeq);
      this.purged += (await journal.purge({ shard: SHARD, thread: spec.thread }, marks)).purged;
      if (marks.checkpointsBelow > 0) store.removeBelow(spec.thread, marks.checkpointsBelow);
    }
  }
}
