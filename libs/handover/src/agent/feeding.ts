/** The owner's side of a shadow: whom it feeds, how far that has come, and how often checkpoints are taken for it. */
import { isRefusal, type Clock, type DeviceId, type DurationMs, type Refusal } from '@godwit/kernel';
import type { ThreadSpec } from '@godwit/registry';
import type { FeedProgress } from '@godwit/runtime';
import type { BulkLink, Log, Runner } from '../ports.js';

const FEED_MS: DurationMs = 5_000;

export interface FeedOrder {
  readonly shadow: string;
  readonly target: DeviceId;
  readonly checkpointMs: DurationMs;
}
interface Fed extends FeedOrder {
  /** The newest that the shadow has acknowledged; 0 for none. */
  ackedK: number;
}

export class Feeding {
  private fed: Fed | undefined;

  constructor(private readonly spec: ThreadSpec, private readonly runner: Runner, private readonly deps: { readonly clock: Clock; readonly log: Log; readonly onChange: () => void }) {}

  /** The device whose shadow is fed. */
  get target(): DeviceId | undefined {
    return this.fed?.target;
  }
  /** Which shadow that is. */
  get shadow(): string | undefined {
    return this.fed?.shadow;
  }
  get ackedK(): number {
    return this.fed?.ackedK ?? 0;
  }
  /** Time between two checkpoints. */
  get checkpointMs(): DurationMs {
    return Math.min(this.spec.checkpointMs, this.fed?.checkpointMs ?? Infinity);
  }

  /** @param durable the newest checkpoint that is, `k` 0 for none */
  async begin(link: BulkLink, order: FeedOrder, durable: { readonly k: number; readonly epoch: number }): Promise<void | Refusal> {
    const begun = await this.runner.request('shadow-feed', durable, { timeoutMs: FEED_MS, socket: link });
    if (isRefusal(begun)) return begun;
    this.fed = { ...order, ackedK: 0 };
    this.deps.onChange();
    return undefined;
  }

  /** The checkpoint is in the journal, or is still what the thread has come to. */
  durable(k: number, epoch: number): void {
    if (!this.fed || k === 0) return;
    this.runner.request('shadow-durable', { k, epoch }, { timeoutMs: FEED_MS }).catch((error: Error) => this.deps.log.warn({ thread: this.spec.thread, reason: error.message }, 'shadow not told'));
  }

  heard({ state, k, reason }: FeedProgress): void {
    if (!this.fed) return;
    this.fed.ackedK = k;
    if (state === 'following') return;
    this.deps.log.warn({ thread: this.spec.thread, shadow: this.fed.shadow, target: this.fed.target, reason }, 'the shadow is fed no more');
    this.fed = undefined;
    this.deps.onChange();
  }
}
