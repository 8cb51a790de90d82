/**
 * Where a host begins: with the shadow's state that its runner holds, with a checkpoint from the store, or with nothing.
 *
 * Invariants: B1. What is begun with has its manifest in the journal, with the same digest. B2. A thread that is not
 * deterministic is not begun below an output that the journal has. B3. What rests upon a part that is missing or damaged is
 * not tried again; what does not is.
 */
import { isRefusal, refuse, type DurationMs, type Refusal, type Sha256 } from '@godwit/kernel';
import { baseOf, partsOf, type CheckpointRecord, type ThreadAddress } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { RestoredMark } from '@godwit/runtime';
import type { Runner } from '../ports.js';
import type { HostDependencies } from './host-dependencies.js';

const RESTORE_MS: DurationMs = 30_000;
/** Manifests that are looked at first; and when those do not help: two bases with all their deltas, and a few more. */
const FIRST_LOOK = 2;
const SECOND_LOOK = 40;

export class Restoring {
  private readonly address: ThreadAddress;

  constructor(private readonly spec: ThreadSpec, private readonly runner: Runner, private readonly deps: HostDependencies) {
    this.address = { shard: spec.shard, thread: spec.thread };
  }

  /**
   * Makes the shadow that the runner holds the thread, if it may be gone on from: purging keeps what is behind the newest
   * checkpoints, and a shadow that is further behind would miss inputs.
   */
  async fromShadow(held: { readonly k: number; readonly digest: Sha256 }): Promise<RestoredMark | Refusal> {
    const known = await this.deps.journal.checkpoints(this.address, FIRST_LOOK + 2);
    const { outN } = await this.deps.journal.tail(this.address);
    const at = known.findIndex(({ record }) => record.k === held.k && record.digest === held.digest);
    const record = known[at]?.record;
    if (!record || (at >= FIRST_LOOK && baseOf(record) !== baseOf(known[0]!.record))) {
      return refuse('conflict', `the shadow of thread ${this.spec.thread} holds checkpoint ${held.k}, and the newest are ${known.map((one) => one.record.k).join(', ')}`, 'checkpoint');
    }
    return this.cannotRepeat(record.outN, outN) ?? this.runner.request('shadow-promote', held, { timeoutMs: RESTORE_MS });
  }

  /** Undefined: from the beginning. */
  async fromJournal(): Promise<RestoredMark | undefined | Refusal> {
    const { outN } = await this.deps.journal.tail(this.address);
    const damaged = new Set<number>();
    const tried = new Set<number>();
    let last: Refusal | undefined;
    let bases = 0;
    for (const limit of [FIRST_LOOK, SECOND_LOOK]) {
      const known = await this.deps.journal.checkpoints(this.address, limit);
      bases = new Set(known.map(({ record }) => baseOf(record))).size;
      for (const { record } of known) {
        if (tried.has(record.k) || partsOf(record).some(({ k }) => damaged.has(k))) continue;
        tried.add(record.k);
        const mark = this.cannotRepeat(record.outN, outN) ?? (await this.fromCheckpoint(record, damaged));
        if (!isRefusal(mark)) return mark;
        last = mark;
        this.deps.log.warn({ thread: this.spec.thread, k: record.k, reason: mark.reason }, 'checkpoint not usable');
      }
    }
    // With one base at most nothing has been purged yet: the whole input is still there.
    return bases < 2 ? this.cannotRepeat(0, outN) : last;
  }

  private async fromCheckpoint(record: CheckpointRecord, damaged: Set<number>): Promise<RestoredMark | Refusal> {
    const parts: Uint8Array[] = [];
    for (const part of partsOf(record)) {
      const bytes = await this.deps.checkpoints.read(this.spec.thread, part);
      if (isRefusal(bytes)) {
        damaged.add(part.k);
        return bytes;
      }
      parts.push(bytes);
    }
    return this.runner.request('restore', { parts, digest: record.digest }, { timeoutMs: RESTORE_MS });
  }

  /** H3 from the other end: outputs that are in the journal would come out differently the second time. */
  private cannotRepeat(fromN: number, outN: number): Refusal | undefined {
    if (this.spec.deterministic || fromN >= outN) return undefined;
    return refuse('snapshot-damaged', `thread ${this.spec.thread} is not deterministic: from output ${fromN} it cannot make outputs up to ${outN} again, which are in the journal`);
  }
}
