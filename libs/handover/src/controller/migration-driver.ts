/**
 * Drives one migration: performs the effects of the pure state machine and feeds back what came of them. Holds no rule of
 * its own about phases; every failure becomes an event, and silence becomes a tick.
 */
import { isRefusal, OperationError, refuse, type Clock, type Refusal, type Timer, type Timers } from '@godwit/kernel';
import type { Journal, OwnRecord, Stored } from '@godwit/journal';
import { DEFAULT_FREEZE_BUDGET_MS, isSettled, step, type MigrationEffect, type MigrationEvent, type MigrationLimits, type MigrationState } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import type { AgentCalls, Log } from '../ports.js';
import { addressOf, type Owners } from './owners.js';

export interface DriverParts {
  readonly journal: Journal;
  readonly owners: Owners;
  readonly agents: AgentCalls;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly limits: MigrationLimits;
  /** 32 fresh random bytes: the one-time key of a transfer. */
  readonly secret: () => Uint8Array;
  readonly publish: (state: MigrationState) => Promise<void>;
}

const TICK_MS = 250;

export class MigrationDriver {
  private readonly key: Uint8Array;
  private bulk: { host: string; port: number } | undefined;
  private frozen: { atMs: number; bootId: string; askedAtMs: number } | undefined;
  private timer: Timer | undefined;
  private published: Promise<void> = Promise.resolve();
  private settle: (state: MigrationState) => void = () => undefined;
  readonly settled: Promise<MigrationState>;

  constructor(public state: MigrationState, private readonly spec: ThreadSpec, private readonly expectedCores: number, private readonly parts: DriverParts) {
    this.key = parts.secret();
    this.settled = new Promise((resolve) => (this.settle = resolve));
  }

  start(): void {
    this.timer = this.parts.timers.every(TICK_MS, () => this.take({ type: 'tick' }));
    this.take({ type: 'begin' });
  }

  take(event: MigrationEvent): void {
    const before = this.state.phase;
    const next = step(this.state, event, this.parts.clock.nowMs(), this.parts.limits);
    this.state = next.state;
    for (const effect of next.effects) void this.perform(effect);
    if (isSettled(this.state.phase) && !isSettled(before)) this.finish();
  }

  private finish(): void {
    this.timer?.cancel();
    void this.published.then(() => this.settle(this.state));
  }

  /** Stops watching it, as a controller does that ends; the journal tells the next one how far it came. */
  abandon(): void {
    this.timer?.cancel();
  }

  private async perform(effect: MigrationEffect): Promise<void> {
    try {
      await this.effects(effect);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.parts.log.warn({ migration: this.state.migration, effect: effect.type, code: error.code, reason: error.message }, 'effect in doubt');
      // Before the commit a doubt ends the migration; afterwards a tick asks again.
      if (effect.type === 'prepare-target') this.refused('target', refuse(error.code, error.message));
      else if (effect.type === 'append-intent') this.refused('journal', refuse(error.code, error.message));
      else if (effect.type === 'copy-live' || effect.type === 'freeze-source') this.refused('source', refuse(error.code, error.message));
    }
  }

  private refused(by: 'source' | 'target' | 'transfer' | 'journal', refusal: Refusal): void {
    this.take({ type: 'refused', by, refusal });
  }

  private effects(effect: MigrationEffect): Promise<void> {
    switch (effect.type) {
      case 'publish-status': return this.publish(effect.state);
      case 'prepare-target': return this.prepareTarget();
      case 'append-intent': return this.appendIntent();
      case 'copy-live': return this.copyLive();
      case 'freeze-source': return this.freeze();
      case 'append-own': return this.appendOwn(effect);
      case 'read-own': return this.readOwn();
      case 'activate-target': return this.activate(effect.epoch, effect.ownSeq);
      case 'thaw-source': return this.ownership('thaw', effect.epoch, effect.ownSeq);
      case 'retire-source': return this.retireSource(effect.epoch);
      case 'discard-target': return this.discardTarget();
    }
  }

  private publish(state: MigrationState): Promise<void> {
    this.published = this.published.then(() => this.parts.publish(state)).catch((error: Error) => this.parts.log.warn({ migration: state.migration, err: error }, 'status not published'));
    return this.published;
  }

  private async prepareTarget(): Promise<void> {
    const { agents } = this.parts;
    await agents.waitForPath(this.state.source, this.state.target, this.spec.limits.memoryBytes);
    const reply = await agents.prepare(this.state.target, { migration: this.state.migration, spec: this.spec, epoch: this.state.epoch, transferKey: this.key, expectedCores: this.expectedCores });
    if (isRefusal(reply)) return this.refused('target', reply);
    this.bulk = { host: reply.bulkHost, port: reply.bulkPort };
    this.take({ type: 'reserved' });
  }

  private async appendIntent(): Promise<void> {
    const { epoch, ownSeq, migration, source, target, cause } = this.state;
    const appender = this.parts.journal.fencedAppender(addressOf(this.spec), { epoch, ownSeq });
    try {
      const outcome = await appender.appendIntent({ migration, source, target, note: cause });
      if (outcome.result === 'appended' || outcome.result === 'repeated') return this.take({ type: 'intent-appended' });
      this.refused('journal', outcome.result === 'diverged' ? outcome.refusal : refuse('stale-epoch', `thread ${this.spec.thread} has a newer owner, epoch ${outcome.newest.record.epoch}`));
    } finally {
      appender.close();
    }
  }

  private async copyLive(): Promise<void> {
    if (!this.bulk) return;
    const { migration, thread, epoch, source } = this.state;
    const freezeBudgetMs = this.spec.goals.freezeBudgetMs ?? DEFAULT_FREEZE_BUDGET_MS;
    const reply = await this.parts.agents.copy(source, { migration, thread, epoch, bulkHost: this.bulk.host, bulkPort: this.bulk.port, transferKey: this.key, freezeBudgetMs });
    if (isRefusal(reply)) return this.refused('source', reply);
    this.take({ type: 'copied' });
  }

  /** Both ends at once; their digests meet in the state machine. */
  private async freeze(): Promise<void> {
    const { agents, clock } = this.parts;
    const { migration, thread, epoch, source, target } = this.state;
    const askedAtMs = clock.monotonicMs();
    const staged = agents.awaitStaged(target, { migration, thread }).then(
      (reply) => (isRefusal(reply) ? this.refused('target', reply) : this.take({ type: 'staged', digest: reply.digestSha256 as never })),
      (error: Error) => this.refused('target', refuse('timeout', error.message)),
    );
    const reply = await agents.freeze(source, { migration, thread, epoch });
    if (isRefusal(reply)) return this.refused('source', reply);
    this.frozen = { atMs: reply.frozenMonotonicMs, bootId: reply.bootId, askedAtMs };
    this.take({ type: 'frozen', digest: reply.digestSha256 as never, bytes: reply.sizeBytes });
    await staged;
  }

  private async appendOwn(effect: Extract<MigrationEffect, { type: 'append-own' }>): Promise<void> {
    const { migration, ownSeq } = this.state;
    const outcome = await this.parts.journal.appendOwn(addressOf(this.spec), ownSeq, {
      epoch: effect.epoch, device: effect.device, reason: effect.reason, migration, checkpoint: effect.checkpoint, note: effect.note.slice(0, 1_000),
    });
    if (outcome.result === 'appended') {
      this.parts.owners.note(this.spec.thread, outcome.own);
      return this.take({ type: 'own-appended', epoch: outcome.own.record.epoch, seq: outcome.own.seq });
    }
    if (outcome.newest) await this.ownRead(outcome.newest);
  }

  private async readOwn(): Promise<void> {
    const newest = await this.parts.owners.read(this.spec);
    if (newest) await this.ownRead(newest);
  }
  /** Somebody has appended a newer owner: what this one waits for may never come. */
  overtaken(own: Stored<OwnRecord>): void {
    const { epoch, device, reason } = own.record;
    if (this.state.newEpoch !== undefined) return this.take({ type: 'own-read', epoch, seq: own.seq, device, reason });
    this.ownRead(own).catch((error: Error) => this.parts.log.warn({ migration: this.state.migration, err: error }, 'owner not read; asked again'));
  }
  /** What became of the migration stands in the record behind its epoch, which need not be the newest any more. */
  private async ownRead(newest: NonNullable<Awaited<ReturnType<Owners['read']>>>): Promise<void> {
    const { owners, journal } = this.parts;
    owners.note(this.spec.thread, newest);
    const next = this.state.epoch + 1;
    const own = newest.record.epoch > next ? ((await journal.ownOf(addressOf(this.spec), next)) ?? newest) : newest;
    const { epoch, device, reason, migration } = own.record;
    this.take({ type: 'own-read', epoch, seq: own.seq, device, reason, ...(migration ? { migration } : {}) });
  }

  private async activate(epoch: number, ownSeq: number): Promise<void> {
    const { migration, thread, target, checkpoint } = this.state;
    const reply = await this.parts.agents.activate(target, { migration, thread, epoch, ownSeq, checkpoint });
    if (isRefusal(reply)) {
      this.parts.log.warn({ migration, code: reply.code, reason: reply.reason }, 'target does not activate');
      const newest = reply.code === 'stale-epoch' ? await this.parts.owners.read(this.spec) : undefined;
      return newest && this.overtaken(newest);
    }
    const frozen = this.frozen;
    // Two stamps of one clock where both ends share a boot; else the controller's own watch, which is an upper bound.
    const freezeMs = frozen && frozen.bootId === reply.bootId ? reply.runningMonotonicMs - frozen.atMs : this.parts.clock.monotonicMs() - (frozen?.askedAtMs ?? this.parts.clock.monotonicMs());
    this.take({ type: 'active', freezeMs: Math.max(0, freezeMs) });
  }

  private async ownership(command: 'thaw' | 'retire', epoch: number, ownSeq: number): Promise<void> {
    const { thread, source } = this.state;
    const reply = await this.parts.agents.ownership(source, command, { thread, epoch, ownSeq, migration: '' });
    if (isRefusal(reply)) this.parts.log.warn({ migration: this.state.migration, command, code: reply.code, reason: reply.reason }, 'source does not obey');
  }
  private async retireSource(epoch: number): Promise<void> {
    const reply = await this.parts.agents.ownership(this.state.source, 'retire', { thread: this.state.thread, epoch, ownSeq: 0, migration: '' });
    if (!isRefusal(reply)) this.take({ type: 'retired' });
  }
  private async discardTarget(): Promise<void> {
    const { thread, target, migration, epoch } = this.state;
    await this.parts.agents.ownership(target, 'retire', { thread, epoch: this.state.newEpoch ?? epoch, ownSeq: 0, migration });
  }
}
