/**
 * The simulated broker: one stream with create-only subjects and a fence on owner records, leases in memory, and a disk
 * that keeps what was synced. Its methods are what it does when a request arrives; `SimJournal` does the asking.
 */
import type { ThreadId } from '@godwit/kernel';
import { journalSubjects, type OwnRecord, type Stored, type ThreadAddress } from '@godwit/journal';
import type { Appended } from '@godwit/handover';
import type { Lease } from '@godwit/migration';
import type { EventLoop } from './loop.js';
import type { Proc } from './proc.js';

export const LEASE_MS = 5_000;
const WAIT_MS = 3_000;
export const SHARD = 's1' as ThreadAddress['shard'];
export const subjects = journalSubjects();

export type Kept = Appended | { readonly type: 'own'; readonly record: OwnRecord };
export interface Entry {
  readonly seq: number;
  readonly atMs: number;
  readonly subject: string;
  readonly thread: ThreadId;
  readonly kept: Kept;
  readonly appendId?: string;
}
export interface Append {
  readonly subject: string;
  readonly thread: ThreadId;
  readonly kept: Kept;
  /** Sequence that the newest owner record must have; 0 for none. */
  readonly expectedOwnSeq?: number;
  readonly appendId?: string;
}
export type Answer = { readonly kind: 'stored'; readonly lastSeq: number } | { readonly kind: 'fence' | 'exists' | 'batch-refused' };

/** Rules that a planted bug takes away. */
export interface BrokerRules {
  fenced: boolean;
  createOnly: boolean;
  /** False: acknowledged before the disk has it, synced every two seconds. */
  syncAlways: boolean;
  /** False: of a batch what fits is taken. */
  atomicBatches: boolean;
}
export type LeaseEvent = { readonly type: 'held'; readonly lease: Lease } | { readonly type: 'ended'; readonly device: Lease['device']; readonly reason: string };

interface Waiter {
  readonly sinceMs: number;
  readonly test: () => boolean;
  readonly wake: () => void;
}

export class Broker {
  readonly rules: BrokerRules = { fenced: true, createOnly: true, syncAlways: true, atomicBatches: true };
  lastSeq = 0;
  durableSeq = 0;
  /** Differs after every start. */
  boot = 1;
  entries: Entry[] = [];
  private bySubject = new Map<string, Entry>();
  private byThread = new Map<string, Entry[]>();
  private waiters: Waiter[] = [];
  private leases = new Map<string, { readonly lease: Lease; timer: { cancel(): void } }>();
  readonly leaseEvents: LeaseEvent[] = [];

  /** @param onAppend told of each record before anybody else; the invariants are checked there. */
  constructor(readonly proc: Proc, private readonly loop: EventLoop, private readonly onAppend: (entry: Entry) => void) {
    proc.start();
    loop.after(2_000, () => this.sync());
  }

  private sync(): void {
    if (this.proc.alive) this.durableSeq = this.lastSeq;
    this.loop.after(2_000, () => this.sync());
  }

  // --- appends ---

  append(records: readonly Append[]): Answer {
    if (records.length > 1 && this.rules.atomicBatches) {
      const whole = records.map((record) => this.objection(record));
      if (whole.includes('fence')) return { kind: 'fence' };
      if (whole.includes('exists')) return { kind: 'batch-refused' };
    }
    for (const record of records) {
      const kind = this.objection(record);
      if (kind) return { kind };
      this.store(record);
    }
    if (this.rules.syncAlways) this.durableSeq = this.lastSeq;
    this.wakeReaders();
    return { kind: 'stored', lastSeq: this.lastSeq };
  }

  private objection({ subject, thread, expectedOwnSeq }: Append): 'fence' | 'exists' | undefined {
    if (expectedOwnSeq !== undefined && this.rules.fenced && (this.newest(thread, 'own')?.seq ?? 0) !== expectedOwnSeq) return 'fence';
    return this.rules.createOnly && this.bySubject.has(subject) ? 'exists' : undefined;
  }

  private store({ subject, thread, kept, appendId }: Append): void {
    const entry: Entry = { seq: ++this.lastSeq, atMs: this.proc.clock.nowMs(), subject, thread, kept, ...(appendId ? { appendId } : {}) };
    this.keep(entry);
    this.onAppend(entry);
  }

  private keep(entry: Entry): void {
    this.entries.push(entry);
    this.bySubject.set(entry.subject, entry);
    const place = `${entry.thread}/${entry.kept.type}`;
    const list = this.byThread.get(place);
    if (list) list.push(entry);
    else this.byThread.set(place, [entry]);
  }

  // --- reads, from the leader ---

  at(subject: string): Entry | undefined {
    return this.bySubject.get(subject);
  }
  list(thread: ThreadId, type: Kept['type']): readonly Entry[] {
    return this.byThread.get(`${thread}/${type}`) ?? [];
  }
  newest(thread: ThreadId, type: Kept['type']): Entry | undefined {
    return this.list(thread, type).at(-1);
  }
  newestOwn(thread: ThreadId): Stored<OwnRecord> | undefined {
    const entry = this.newest(thread, 'own');
    return entry && { seq: entry.seq, atMs: entry.atMs, record: entry.kept.record as OwnRecord };
  }

  /** Waits until there is something behind `afterSeq`; gives at most `limit`, and how many more there are. */
  async fetch(afterSeq: number, matches: (entry: Entry) => boolean, limit: number): Promise<{ readonly entries: readonly Entry[]; readonly pending: number }> {
    const behind = (): Entry[] => {
      let from = this.entries.length;
      while (from > 0 && this.entries[from - 1]!.seq > afterSeq) from--;
      return this.entries.slice(from).filter(matches);
    };
    let found = behind();
    if (found.length === 0) {
      await this.until(() => (found = behind()).length > 0);
    }
    return { entries: found.slice(0, limit), pending: Math.max(0, found.length - limit) };
  }

  /** Never resolves when the broker dies first; whoever asked asks again. */
  private until(test: () => boolean): Promise<void> {
    return new Promise((wake) => this.waiters.push({ test, wake, sinceMs: this.loop.nowMs }));
  }
  private wakeReaders(): void {
    this.waiters = this.waiters.filter((waiter) => {
      if (this.loop.nowMs - waiter.sinceMs > WAIT_MS) return false; // who asked has given up
      if (!waiter.test()) return true;
      waiter.wake();
      return false;
    });
  }

  purge(thread: ThreadId, marks: { readonly inputsBelowSeq: number; readonly outputsBelowSeq: number; readonly checkpointsBelow: number }): { purged: number } {
    const outputs = this.list(thread, 'out');
    const checkpoints = this.list(thread, 'ck');
    const going = new Set([
      ...this.list(thread, 'in').filter(({ seq }) => seq < marks.inputsBelowSeq),
      ...outputs.slice(0, -1).filter(({ seq }) => seq < marks.outputsBelowSeq),
      ...checkpoints.slice(0, -1).filter(({ kept }) => (kept.record as { k: number }).k < marks.checkpointsBelow),
    ]);
    if (going.size > 0) this.rebuild(this.entries.filter((entry) => !going.has(entry)));
    return { purged: going.size };
  }

  private rebuild(entries: readonly Entry[]): void {
    this.entries = [];
    this.bySubject = new Map();
    this.byThread = new Map();
    for (const entry of entries) this.keep(entry);
  }

  // --- leases: in memory, for liveness only ---

  renew(lease: Lease): void {
    const known = this.leases.get(lease.device);
    known?.timer.cancel();
    const timer = this.proc.timers.after(LEASE_MS, () => {
      this.leases.delete(lease.device);
      this.tellLease({ type: 'ended', device: lease.device, reason: 'expired' });
    });
    this.leases.set(lease.device, { lease, timer });
    if (known?.lease.instance !== lease.instance) this.tellLease({ type: 'held', lease });
  }
  private tellLease(event: LeaseEvent): void {
    this.leaseEvents.push(event);
    this.wakeReaders();
  }
  /** What is held now, and from which event on to ask. */
  leasesNow(): { readonly boot: number; readonly held: readonly Lease[]; readonly next: number } {
    return { boot: this.boot, held: [...this.leases.values()].map(({ lease }) => lease), next: this.leaseEvents.length };
  }
  async leaseEventsFrom(boot: number, next: number): Promise<readonly LeaseEvent[] | 'restarted'> {
    if (boot !== this.boot) return 'restarted';
    if (this.leaseEvents.length <= next) await this.until(() => this.leaseEvents.length > next);
    return this.leaseEvents.slice(next);
  }

  // --- faults ---

  crash(): void {
    this.proc.crash();
    this.waiters = [];
    this.leases = new Map();
    this.leaseEvents.length = 0;
  }
  restart(): void {
    this.boot++;
    this.proc.start();
  }
  /** The machine loses its power: what was not synced is gone. @returns how many records */
  cutPower(): number {
    const lost = this.lastSeq - this.durableSeq;
    this.crash();
    this.goBack(this.durableSeq);
    return lost;
  }
  /** An older copy of the disk is restored. */
  goBack(toSeq: number): void {
    this.rebuild(this.entries.filter(({ seq }) => seq <= toSeq));
    this.lastSeq = toSeq;
    this.durableSeq = toSeq;
  }
}
