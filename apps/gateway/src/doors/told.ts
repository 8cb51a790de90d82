/**
 * What this gateway has told the outside: inputs that it acknowledged, outputs that it released. Kept in a small synced
 * log, so that a broker that went backwards is noticed.
 *
 * Invariants:
 *  T1. A sequence is on disk here before the outside hears of its record.
 *  T2. A shard whose journal ends below what was told is stopped for good: nothing is taken in or released any more until
 *      a person has repaired it and restarted the gateway.
 *  T3. The published mark is never above what an open stream of outputs still has to release, so that purging takes
 *      nothing away from under a reader that catches up.
 */
import { OperationError, refuse, type DurationMs, type Refusal, type ShardId } from '@godwit/kernel';
import type { Journal } from '@godwit/journal';
import type { LocalLog } from '@godwit/nats';
import { SUBJECTS } from '@godwit/wire';
import { ifPresent, RefusedError } from '../http/refused.js';

/** The mark is told again so often, for services that start later. */
export const MARK_REPEAT_MS: DurationMs = 5_000;

export interface ToldOptions {
  readonly log: LocalLog;
  readonly journal: Pick<Journal, 'lastSeq'>;
  /** Core NATS; the payload is the mark in decimal digits. */
  readonly publish: (subject: string, payload: string) => void;
  readonly alarm: (shard: ShardId, refusal: Refusal) => void;
}
/** What one open stream of outputs still has before it: nothing above `seq` may be counted as released. */
export interface ReaderPlace {
  hold(seq: number): void;
  /** The reader has all that there is. */
  free(): void;
  close(): void;
}

export class Told {
  private readonly regressed = new Map<ShardId, Refusal>();
  private readonly readers = new Set<{ readonly shard: ShardId; heldSeq: number }>();
  private readonly shards = new Set<ShardId>();
  private readonly checked = new Set<ShardId>();

  constructor(private readonly options: ToldOptions) {}

  /** The reason why the gateway is not ready, if any. */
  get failing(): string | undefined {
    return [...this.regressed.values()][0]?.reason;
  }

  /** Compares the shard with its journal if that was not done since the last connection. @throws RefusedError `broker-regressed`. */
  async guard(shard: ShardId): Promise<void> {
    if (!this.checked.has(shard)) await this.check(shard);
    const refusal = this.regressed.get(shard);
    if (refusal) throw new RefusedError(refusal);
  }

  /** Compares every shard in use, and those given, with its journal: at each (re)connection. */
  async checkAll(shards: Iterable<ShardId> = []): Promise<void> {
    for (const shard of shards) this.shards.add(shard);
    this.checked.clear();
    for (const shard of this.shards) await this.check(shard);
  }

  private async check(shard: ShardId): Promise<void> {
    this.shards.add(shard);
    const seen = this.options.log.highestSeen(shard); // before asking: what is released meanwhile is no sign of a loss
    const lastSeq = (await ifPresent(() => this.options.journal.lastSeq(shard))) ?? 0;
    const refusal = lastSeq < seen ? this.options.log.checkRegression(shard, lastSeq) : undefined;
    this.checked.add(shard);
    if (!refusal || this.regressed.has(shard)) return;
    this.regressed.set(shard, refusal);
    this.options.alarm(shard, refusal);
  }

  /** Resolves when the disk has it. @throws RefusedError `broker-regressed`; OperationError when the log cannot be written. */
  async note(shard: ShardId, seq: number): Promise<void> {
    await this.guard(shard);
    try {
      await this.options.log.noteSeen(shard, seq);
    } catch (cause) {
      throw new OperationError('internal', `the gateway's log cannot be written: ${(cause as Error).message}`, { effect: 'unknown', cause });
    }
  }

  /** Holds the published mark down to where this reader is. */
  openReader(shard: ShardId): ReaderPlace {
    const place = { shard, heldSeq: Number.POSITIVE_INFINITY };
    this.readers.add(place);
    return {
      hold: (seq) => { place.heldSeq = seq; },
      free: () => { place.heldSeq = Number.POSITIVE_INFINITY; },
      close: () => { this.readers.delete(place); },
    };
  }

  /** The sequence up to which everything of the shard that anyone waits for has been released. */
  mark(shard: ShardId): number {
    const open = [...this.readers].filter((reader) => reader.shard === shard).map(({ heldSeq }) => heldSeq);
    return Math.min(this.options.log.highestSeen(shard), ...open);
  }

  publishMarks(): void {
    for (const shard of this.shards) {
      if (!this.regressed.has(shard)) this.options.publish(SUBJECTS.released(shard), String(this.mark(shard)));
    }
  }
}

export const unknownThread = (thread: string): Refusal => refuse('not-found', `thread ${thread} is not registered`, 'thread');
