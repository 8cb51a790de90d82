/** The newest owner record of every thread, as far as this controller has read or written it. The journal is the truth. */
import type { Journal, OwnOutcome, OwnRecord, Stored, ThreadAddress } from '@godwit/journal';
import type { DeviceId, ThreadId } from '@godwit/kernel';
import type { ThreadSpec } from '@godwit/registry';

export const addressOf = (spec: Pick<ThreadSpec, 'shard' | 'thread'>): ThreadAddress => ({ shard: spec.shard, thread: spec.thread });

export class Owners {
  private readonly newest = new Map<ThreadId, Stored<OwnRecord> | undefined>();
  constructor(private readonly journal: Journal) {}

  /** Undefined: not read yet, or never placed; `isKnown` tells which. */
  of(thread: ThreadId): Stored<OwnRecord> | undefined {
    return this.newest.get(thread);
  }
  isKnown(thread: ThreadId): boolean {
    return this.newest.has(thread);
  }
  deviceOf(thread: ThreadId): DeviceId | undefined {
    const own = this.newest.get(thread);
    return own && own.record.reason !== 'retired' ? own.record.device : undefined;
  }
  isRetired(thread: ThreadId): boolean {
    return this.newest.get(thread)?.record.reason === 'retired';
  }

  async read(spec: ThreadSpec): Promise<Stored<OwnRecord> | undefined> {
    const own = await this.journal.newestOwn(addressOf(spec));
    this.note(spec.thread, own);
    return own;
  }

  /** The next owner record, on top of the one that the decision was taken upon; by default the newest that is known here. */
  async append(spec: ThreadSpec, record: Omit<OwnRecord, 'epoch'>, seen = this.newest.get(spec.thread)): Promise<OwnOutcome> {
    const outcome = await this.journal.appendOwn(addressOf(spec), seen?.seq ?? 0, { ...record, epoch: (seen?.record.epoch ?? 0) + 1 });
    this.note(spec.thread, outcome.result === 'appended' ? outcome.own : outcome.newest);
    return outcome;
  }

  note(thread: ThreadId, own: Stored<OwnRecord> | undefined): void {
    const known = this.newest.get(thread);
    if (known && own && own.record.epoch < known.record.epoch) return;
    this.newest.set(thread, own);
  }
  forget(thread: ThreadId): void {
    this.newest.delete(thread);
  }
}
