/** Migrations as their status stream tells them: the newest state of each, the phases it has passed, and who listens. */
import { isRefusal, type DurationMs, type InstantMs, type MigrationId, type Refusal } from '@godwit/kernel';
import { isSettled, type Phase } from '@godwit/migration';
import { migrationStatusCodec, type MigrationStatus } from '@godwit/wire';
import { BoundedMap } from './bounded-map.js';
import type { StreamRecord } from '../follow-stream.js';

export interface MigrationPhase {
  readonly phase: Phase;
  readonly atMs: InstantMs;
}
/** A migration's newest status, with its history. */
export interface MigrationRecord extends MigrationStatus {
  readonly phases: readonly MigrationPhase[];
  /** From the plan to the newest phase, ms. */
  readonly tookMs: DurationMs;
}
/** One status as it came, with its sequence in the stream. */
export interface MigrationUpdate {
  readonly seq: number;
  readonly status: MigrationStatus;
}

const MAX_MIGRATIONS = 5_000;
const MAX_UPDATES = 10_000;

export class MigrationView {
  private readonly byId = new BoundedMap<MigrationId, MigrationRecord>(MAX_MIGRATIONS);
  private readonly updates = new BoundedMap<number, MigrationUpdate>(MAX_UPDATES);
  private readonly listeners = new Set<() => void>();

  take(record: StreamRecord): Refusal | undefined {
    const status = migrationStatusCodec.decode(record.data);
    if (isRefusal(status)) return status;
    const before = this.byId.get(status.migration);
    // A status that is told again after a crash adds no phase.
    const phases = before?.phases.some(({ phase }) => phase === status.phase) ? before.phases : [...(before?.phases ?? []), { phase: status.phase, atMs: status.atMs }];
    this.replace({ ...status, phases, tookMs: Math.max(0, status.atMs - status.plannedAtMs) }, before);
    this.updates.set(record.seq, { seq: record.seq, status });
    for (const listener of [...this.listeners]) listener();
    return undefined;
  }

  /** Keeps the place in the order of beginning; a late repetition does not take the state back. */
  private replace(next: MigrationRecord, before: MigrationRecord | undefined): void {
    if (!before) this.byId.set(next.migration, next);
    else if (!isSettled(before.phase) || isSettled(next.phase)) Object.assign(before, next);
  }

  get(migration: string): MigrationRecord | undefined {
    return this.byId.get(migration as MigrationId);
  }

  /** Newest first. @param before a migration of an earlier page; the page begins behind it. */
  newest(limit: number, thread?: string, before?: string): MigrationRecord[] {
    let passed = before === undefined;
    return this.byId.newest(limit, (migration) => {
      const wanted = passed && (thread === undefined || migration.thread === thread);
      if (migration.migration === before) passed = true;
      return wanted;
    });
  }

  /** Threads that are being moved now, with their migrations. */
  underWay(): ReadonlyMap<string, MigrationRecord> {
    return new Map([...this.byId.values()].filter(({ phase }) => !isSettled(phase)).map((migration) => [migration.thread, migration]));
  }

  /** Statuses after this sequence, oldest first; 0 for all that are held. */
  after(seq: number): MigrationUpdate[] {
    return this.updates.newest(MAX_UPDATES, (update) => update.seq > seq).reverse();
  }

  get lastSeq(): number {
    return this.updates.newest(1)[0]?.seq ?? 0;
  }

  /** Called after each status. Returns the function that stops it. */
  onUpdate(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
