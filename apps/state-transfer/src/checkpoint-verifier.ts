/**
 * Reads checkpoints back from Redis and compares them with their manifests: only what was read back counts as held.
 *
 * Invariants:
 *  V1. A damaged checkpoint is an alarm, once, and never counts, also when it should read well later.
 *  V2. A verification counts for `VERIFIED_FOR_MS`: Redis may have lost the bytes since. Then it is done again.
 *  V3. When Redis or the journal does not answer, nothing is learnt, and nothing that was known is given up.
 */
import { isRefusal, type Clock, type DurationMs, type MonotonicMs, type ThreadId } from '@godwit/kernel';
import { baseOf, partsOf, type CheckpointRecord, type Journal, type ThreadAddress } from '@godwit/journal';
import type { CheckpointStore } from '@godwit/redis';
import type { Log } from '@godwit/shell';

export const VERIFIED_FOR_MS: DurationMs = 600_000;
/** So many verified checkpoints are wanted of each thread, each on a base of its own: what purging rests on. */
const WANTED = 2;
/** So many manifests are looked at, newest first, to find them: two bases with their deltas, and some that are damaged. */
const LOOKED_AT = 24;

export interface VerifierPorts {
  readonly journal: Pick<Journal, 'checkpoints'>;
  readonly store: Pick<CheckpointStore, 'readCheckpoint'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes that may still be read in this round. The first checkpoint of a round is read whatever its size. */
export interface ReadBudget { bytes: number; untouched: boolean }
export const readBudget = (bytes: number): ReadBudget => ({ bytes, untouched: true });

type Finding = { readonly record: CheckpointRecord; readonly verifiedAtMs: MonotonicMs | undefined };

export class CheckpointVerifier {
  verifiedCount = 0;
  damagedCount = 0;
  /** By number; undefined as the time of verification means damaged. */
  private readonly findings = new Map<ThreadId, Map<number, Finding>>();

  constructor(private readonly ports: VerifierPorts) {}

  /** The thread's verified checkpoints, newest first, as far as they are known. */
  verified(thread: ThreadId): readonly CheckpointRecord[] {
    const found = [...(this.findings.get(thread)?.values() ?? [])];
    return found.filter(({ verifiedAtMs }) => this.isFresh(verifiedAtMs)).map(({ record }) => record).sort((a, b) => b.k - a.k);
  }

  private isFresh(verifiedAtMs: MonotonicMs | undefined): boolean {
    return verifiedAtMs !== undefined && this.ports.clock.monotonicMs() - verifiedAtMs < VERIFIED_FOR_MS;
  }

  /**
   * Verifies the thread's newest checkpoints until two count. Answers false when the budget was spent before.
   * @throws OperationError (V3)
   */
  async check(at: ThreadAddress, budget: ReadBudget): Promise<boolean> {
    const manifests = await this.ports.journal.checkpoints(at, LOOKED_AT);
    const before = this.findings.get(at.thread);
    // What has no manifest among the newest any more is forgotten.
    const known = new Map(manifests.flatMap(({ record }) => {
      const finding = before?.get(record.k);
      return finding && finding.record.digest === record.digest ? [[record.k, finding] as const] : [];
    }));
    this.findings.set(at.thread, known);
    const counted = new Set<number>();
    for (const { record } of manifests) {
      if (counted.size >= WANTED) break;
      if (counted.has(baseOf(record))) continue;
      const finding = known.get(record.k);
      if (finding && finding.verifiedAtMs === undefined) continue;
      if (!this.isFresh(finding?.verifiedAtMs)) {
        if (!budget.untouched && budget.bytes < record.bytes) return false;
        budget.untouched = false;
        budget.bytes -= record.bytes;
        known.set(record.k, await this.read(at.thread, record));
      }
      if (known.get(record.k)!.verifiedAtMs !== undefined) counted.add(baseOf(record));
    }
    return true;
  }

  private async read(thread: ThreadId, record: CheckpointRecord): Promise<Finding> {
    const { k, epoch } = record;
    for (const part of partsOf(record)) {
      const found = await this.ports.store.readCheckpoint({ thread, ...part });
      if (!isRefusal(found)) continue;
      this.damagedCount++;
      this.ports.log.error({ alarm: 'checkpoint-damaged', thread, k, epoch, code: found.code, field: found.field, reason: found.reason }, 'a checkpoint is damaged; it does not count');
      return { record, verifiedAtMs: undefined };
    }
    this.verifiedCount++;
    return { record, verifiedAtMs: this.ports.clock.monotonicMs() };
  }

  /** Keeps only the findings about these threads. */
  retain(threads: { has(thread: ThreadId): boolean }): void {
    for (const thread of this.findings.keys()) if (!threads.has(thread)) this.findings.delete(thread);
  }
}
