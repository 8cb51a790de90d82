/**
 * Takes a thread's checkpoints: captured in a short stop, encoded and stored while the thread runs, journalled, and then
 * given to its shadow. Does not own: when (the host's timers), the stop itself (the host's standing).
 *
 * Invariants: K1. A manifest is appended when all its parts are stored. K2. After any doubt the next checkpoint is a base.
 * K3. The shadow hears of a checkpoint when its manifest is in the journal, not before. K4. A number is written once in an
 * epoch: a write that was given up may still land, and must not land on the bytes of a later checkpoint.
 */
import { isRefusal, type Refusal } from '@godwit/kernel';
import type { AppendOutcome, CheckpointRecord, Fence } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { CapturedMark } from '@godwit/runtime';
import type { Runner } from '../ports.js';
import { CheckpointChain, DEFAULT_CHAIN } from './checkpoint-chain.js';
import { COPY_MS } from './copying.js';
import { DirtyRate } from './dirty-rate.js';
import type { HostDependencies } from './host-dependencies.js';

/** Where the thread stands: nothing has happened since a checkpoint with the same. */
interface Stand {
  readonly cursorSeq: number;
  readonly outN: number;
}
export interface CheckpointWork {
  readonly fence: Fence;
  readonly stand: Stand;
  /** Also when nothing has happened. */
  readonly force: boolean;
  /** Stops the thread, asks the runner to capture, lets it go on. */
  readonly capture: () => Promise<CapturedMark | Refusal>;
  readonly append: (record: Omit<CheckpointRecord, 'epoch'>) => Promise<AppendOutcome>;
}

export class Checkpointer {
  /** The newest that is durable; 0 for none. */
  k = 0;
  private tried = 0;
  readonly dirty = new DirtyRate();
  private at: Stand = { cursorSeq: -1, outN: -1 };
  private readonly chain: CheckpointChain;

  /** There is a state that a delta, or a shadow, can begin with. */
  get hasBase(): boolean {
    return !this.chain.isEmpty;
  }

  constructor(private readonly spec: ThreadSpec, private readonly runner: Runner, private readonly deps: HostDependencies) {
    this.chain = new CheckpointChain(deps.chain ?? DEFAULT_CHAIN);
  }

  /** @returns undefined when there was nothing to do. @throws OperationError when the store or the journal fails. */
  async take(work: CheckpointWork): Promise<AppendOutcome | Refusal | undefined> {
    const { cursorSeq, outN } = work.stand;
    if (!work.force && this.at.cursorSeq === cursorSeq && this.at.outN === outN) return undefined;
    let outcome: AppendOutcome | Refusal | undefined;
    try {
      outcome = await this.write(work);
      return outcome;
    } finally {
      const durable = outcome !== undefined && !isRefusal(outcome) && (outcome.result === 'appended' || outcome.result === 'repeated');
      if (!durable) this.chain.break(); // K2
    }
  }

  private async write({ fence, capture, append }: CheckpointWork): Promise<AppendOutcome | Refusal> {
    const { deps, spec, runner, chain } = this;
    if (chain.isEmpty) {
      const begun = await runner.request('checkpoint-begin', {}, { timeoutMs: COPY_MS });
      if (isRefusal(begun)) return begun;
    }
    const mark = await capture();
    if (isRefusal(mark)) return mark;
    const k = (this.tried = Math.max(this.tried, this.k) + 1); // K4
    const encoded = await runner.request('encode', { k, parent: chain.parent() }, { timeoutMs: COPY_MS });
    if (isRefusal(encoded)) return encoded;
    this.dirty.seen(encoded.dirtyBytes, deps.clock.monotonicMs());
    const part = await deps.checkpoints.write(spec.thread, { epoch: fence.epoch, k, base: chain.baseFor(k, encoded.parent), parts: encoded.parts });
    if (isRefusal(part)) return part;
    const parts = chain.with(part, encoded.parent);
    const { cursorSeq, outN, chainHash } = mark;
    const outcome = await append({
      k, device: deps.device, runtime: spec.runtime, program: spec.program, cursorSeq, outN, chainHash, digest: encoded.digest,
      bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0), chunks: parts.reduce((sum, { chunks }) => sum + chunks, 0), parts,
    });
    if (outcome.result !== 'appended' && outcome.result !== 'repeated') return outcome;
    this.k = k;
    this.at = { cursorSeq, outN };
    chain.continues(parts);
    return outcome;
  }
}

