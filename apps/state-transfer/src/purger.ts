/**
 * Frees what nobody can need again: the journal's records, checkpoint manifests, and checkpoints in Redis.
 *
 * Invariants:
 *  G1. A record goes only below all four marks of `purgeMarks`. A fact that is not known counts as 0: then nothing goes
 *      that rests on it.
 *  G2. While the newest owner of a thread has no verified checkpoint of its own epoch, nothing of the thread goes, and
 *      nothing that it consumes: it may still be restoring from an older one.
 *  G3. A round looks at a bounded number of threads and reads a bounded number of bytes; the next one goes on
 *      where it ended, so that no thread waits for ever.
 */
import { OperationError, type DurationMs, type ShardId, type ThreadId } from '@godwit/kernel';
import { purgeMarks, type CheckpointRecord, type Journal, type PurgeMarks } from '@godwit/journal';
import type { CheckpointStore } from '@godwit/redis';
import { subscribersOf, type Registry, type ThreadSpec } from '@godwit/registry';
import type { Log } from '@godwit/shell';
import { readBudget, type CheckpointVerifier } from './checkpoint-verifier.js';

export interface PurgerPorts {
  readonly registry: () => Registry;
  readonly journal: Pick<Journal, 'newestOwn' | 'purge' | 'lastSeq'>;
  readonly store: Pick<CheckpointStore, 'removeBelow'>;
  readonly verifier: CheckpointVerifier;
  /** The gateway's mark; undefined while it is not known. */
  readonly releasedSeq: (shard: ShardId) => number | undefined;
  /** Sequence of the newest record of the shard that is older than the horizon; 0 for none. */
  readonly horizonSeq: (shard: ShardId, horizonMs: DurationMs) => Promise<number>;
  readonly log: Log;
}

export interface PurgerLimits {
  readonly retryHorizonMs: DurationMs;
  readonly threadsPerRound: number;
  readonly readBytesPerRound: number;
}
export const PURGER_LIMITS: PurgerLimits = { retryHorizonMs: 600_000, threadsPerRound: 32, readBytesPerRound: 256 * 1024 * 1024 };

/** What one round has found out about shards and owners, asked once each. */
interface Facts {
  readonly shards: Map<ShardId, { readonly gatewaySeq: number; readonly horizonSeq: number }>;
  readonly held: Map<ThreadId, readonly CheckpointRecord[]>;
}

export class Purger {
  purgedRecords = 0;
  removedCheckpoints = 0;
  private nextThread: ThreadId | undefined;
  private readonly done = new Map<ThreadId, PurgeMarks>();

  constructor(private readonly ports: PurgerPorts, private readonly limits: PurgerLimits) {}

  /** One round. What fails for a thread is logged, and tried again when its turn comes again. */
  async round(): Promise<void> {
    const { registry, verifier, log } = this.ports;
    const { threads } = registry();
    verifier.retain(threads);
    for (const thread of this.done.keys()) if (!threads.has(thread)) this.done.delete(thread);
    const facts: Facts = { shards: new Map(), held: new Map() };
    const budget = readBudget(this.limits.readBytesPerRound);
    for (const spec of this.turn([...threads.values()])) {
      try {
        const complete = await verifier.check(spec, budget);
        await this.purge(spec, facts);
        if (complete) continue;
        this.nextThread = spec.thread;
        return;
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        log.warn({ thread: spec.thread, code: error.code, err: error }, 'not looked after this time');
      }
    }
  }

  private turn(threads: readonly ThreadSpec[]): readonly ThreadSpec[] {
    const first = Math.max(0, threads.findIndex(({ thread }) => thread === this.nextThread));
    const turned = [...threads.slice(first), ...threads.slice(0, first)];
    this.nextThread = turned[this.limits.threadsPerRound]?.thread;
    return turned.slice(0, this.limits.threadsPerRound);
  }

  private async purge(spec: ThreadSpec, facts: Facts): Promise<void> {
    const { journal, store, registry, log } = this.ports;
    const { shard, thread } = spec;
    const own = await this.held(spec, facts);
    if (own.length === 0) return;
    const subscribers: (readonly CheckpointRecord[])[] = [];
    for (const subscriber of subscribersOf(registry(), thread)) subscribers.push(await this.held({ shard, thread: subscriber }, facts));
    const marks = purgeMarks({ own, subscribers, ...(await this.shardFacts(shard, facts)) });
    const before = this.done.get(thread);
    if (before && (Object.keys(marks) as (keyof PurgeMarks)[]).every((mark) => marks[mark] <= before[mark])) return;
    const { purged } = await journal.purge({ shard, thread }, marks);
    // The manifests went first: a manifest without its chunks would look like damage.
    const { removed } = marks.checkpointsBelow > 0 ? await store.removeBelow(thread, marks.checkpointsBelow) : { removed: 0 };
    this.done.set(thread, marks);
    this.purgedRecords += purged;
    this.removedCheckpoints += removed;
    if (purged + removed > 0) log.debug({ thread, ...marks, purged, removed }, 'purged');
  }

  /** Verified checkpoints that count under G2: none when the newest owner has not made one that was verified. */
  private async held(at: { readonly shard: ShardId; readonly thread: ThreadId }, { held }: Facts): Promise<readonly CheckpointRecord[]> {
    const known = held.get(at.thread);
    if (known) return known;
    const checkpoints = this.ports.verifier.verified(at.thread);
    const own = checkpoints.length === 0 ? undefined : await this.ports.journal.newestOwn(at);
    const counting = own && checkpoints[0]!.epoch >= own.record.epoch ? checkpoints : [];
    held.set(at.thread, counting);
    return counting;
  }

  private async shardFacts(shard: ShardId, { shards }: Facts): Promise<{ readonly gatewaySeq: number; readonly horizonSeq: number }> {
    const known = shards.get(shard);
    if (known) return known;
    const lastSeq = await this.ports.journal.lastSeq(shard);
    const releasedSeq = this.ports.releasedSeq(shard) ?? 0;
    if (releasedSeq > lastSeq) this.ports.log.error({ shard, releasedSeq, lastSeq }, 'the gateway has released more than the journal holds; nothing is purged by its mark');
    const found = {
      gatewaySeq: releasedSeq > lastSeq ? 0 : releasedSeq,
      horizonSeq: releasedSeq === 0 ? 0 : await this.ports.horizonSeq(shard, this.limits.retryHorizonMs),
    };
    shards.set(shard, found);
    return found;
  }
}
