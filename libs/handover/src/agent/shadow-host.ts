/**
 * One shadow on this device: a prepared runner that executes nothing and holds the state of the thread's newest checkpoint.
 *
 * Invariants: S1. What `held` names stands in the runner whole, with that digest. S2. Every end of a feed leaves what is
 * held; only a runner that is gone, or that holds nothing after its feed, is of no use any more.
 */
import { isRefusal, type Clock, type DeviceId, type DurationMs, type MonotonicMs, type Refusal, type Sha256 } from '@godwit/kernel';
import type { ShadowCommand, ShadowStatus } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import type { ShadowProgress, ThreadProgram } from '@godwit/runtime';
import type { BulkLink, Log, Runner } from '../ports.js';

const PREPARE_MS: DurationMs = 20_000;
const FOLLOW_MS: DurationMs = 5_000;
/** A source says at each of its checkpoints' times that it lives. */
const SHORTEST_SILENCE_MS: DurationMs = 30_000;

export interface ShadowParts {
  readonly device: DeviceId;
  readonly clock: Clock;
  readonly log: Log;
  /** It is of no use any more. */
  readonly onUseless: (shadow: ShadowHost, reason: string) => void;
}

export class ShadowHost {
  readonly spec: ThreadSpec;
  private state: ShadowStatus['state'] = 'waiting';
  private progress: ShadowProgress | undefined;
  private coveredAtMs: MonotonicMs;

  constructor(private order: ShadowCommand, readonly runner: Runner, private readonly parts: ShadowParts) {
    this.spec = order.spec;
    this.coveredAtMs = parts.clock.monotonicMs();
    runner.listen({
      onOutput() {}, onConsumed() {}, onSample() {}, onExit() {}, // nothing of it executes
      onShadow: (progress) => this.heard(progress),
      onFault: (refusal) => this.parts.onUseless(this, refusal.reason),
      onDied: (reason) => this.parts.onUseless(this, reason),
    });
  }

  get id(): ShadowCommand['shadow'] {
    return this.order.shadow;
  }
  /** The checkpoint that it could be promoted with. */
  get held(): { readonly k: number; readonly digest: Sha256 } | undefined {
    const { progress } = this;
    return progress && progress.k > 0 && progress.digest !== '' ? { k: progress.k, digest: progress.digest } : undefined;
  }

  async prepare(program: ThreadProgram): Promise<Refusal | undefined> {
    const refusal = await this.runner.request('prepare', { program }, { timeoutMs: PREPARE_MS });
    return isRefusal(refusal) ? refusal : undefined;
  }

  /** The owner, or another, will feed it from now on. */
  reorder(order: ShadowCommand): void {
    this.order = order;
    if (this.state === 'following') this.state = 'cut-off';
  }

  async follow(link: BulkLink): Promise<void> {
    const { limits, checkpointMs } = this.spec;
    const maxBytes = limits.memoryBytes * 2 + limits.stackBytes + 64 * 1024 * 1024;
    const refusal = await this.runner.request('shadow-follow', { maxBytes, silenceMs: Math.max(SHORTEST_SILENCE_MS, checkpointMs * 3) }, { timeoutMs: FOLLOW_MS, socket: link });
    if (isRefusal(refusal)) this.parts.log.warn({ thread: this.spec.thread, reason: refusal.reason }, 'shadow does not follow');
  }

  private heard(progress: ShadowProgress): void {
    const { clock, log } = this.parts;
    if (progress.state === 'following') this.coveredAtMs = clock.monotonicMs() - progress.ageMs;
    else log.info({ thread: this.spec.thread, shadow: this.id, k: progress.k, reason: progress.reason }, 'a shadow’s feed ended');
    this.progress = progress;
    this.state = progress.state;
    if (progress.state === 'cut-off' && progress.k === 0) this.parts.onUseless(this, progress.reason ?? 'it holds nothing');
  }

  status(): ShadowStatus {
    const { order, progress } = this;
    return {
      thread: this.spec.thread, shadow: order.shadow, device: this.parts.device, source: order.source, epoch: progress?.epoch || order.epoch, state: this.state, checkpoint: progress?.k ?? 0,
      digestSha256: progress?.digest ?? '', cursorSeq: progress?.cursorSeq ?? 0, outN: progress?.outN ?? 0, lagMs: Math.max(0, this.parts.clock.monotonicMs() - this.coveredAtMs), stateBytes: progress?.stateBytes ?? 0,
    };
  }

  end(): void {
    this.runner.end();
  }
}
