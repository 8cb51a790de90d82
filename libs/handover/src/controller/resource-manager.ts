/**
 * The Predictive Resource Manager's shell: once a second it makes a snapshot, asks the pure plan, records every decision,
 * and carries it out. Between plans it keeps the journal and the agents in step: what is owned runs, what is dead is
 * restored, what a crash left open is settled.
 *
 * Invariants: C1. A decision is in GODWIT_DECISIONS before it is carried out. C2. Ownership changes only through an append
 * to the journal that rests on the newest record. C3. At most one change is under way for each thread.
 */
import { isRefusal, migrationId, OperationError, refuse, type Clock, type DeviceId, type IdSource, type MonotonicMs, type Refusal, type ThreadId, type Timer, type Timers } from '@godwit/kernel';
import { explainManual, plan, restorePlan, type ClusterSnapshot, type Decision, type PlanLimits, type Settlement } from '@godwit/decision';
import type { Journal, OwnReason, OwnRecord, Stored } from '@godwit/journal';
import type { Lease, MigrateReply, MigrateRequest, MigrationState, ShadowStatus, ThreadEvent } from '@godwit/migration';
import type { Registry, ThreadSpec } from '@godwit/registry';
import type { AgentCalls, ClusterPicture, Log } from '../ports.js';
import { MigrationDriver, type DriverParts } from './migration-driver.js';
import { Orphans } from './orphans.js';
import { addressOf, type Owners } from './owners.js';
import { Settlements } from './settlements.js';
import { ShadowKeeper } from './shadow-keeper.js';
import { TakeOvers } from './take-overs.js';

export interface ManagerParts {
  readonly journal: Journal;
  readonly owners: Owners;
  readonly agents: AgentCalls;
  readonly view: ClusterPicture;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: IdSource;
  readonly log: Log;
  readonly registry: () => Registry;
  readonly publishDecision: (record: { decision?: Decision; settlement?: Settlement }) => Promise<void>;
  readonly driver: Omit<DriverParts, 'journal' | 'owners' | 'agents' | 'clock' | 'timers' | 'log'>;
}

/** A thread that fails more often than this within the window is started again only after a pause. */
const RESTARTS_AT_ONCE = 5;
const RESTART_WINDOW_MS = 60_000;
const RESTART_PAUSE_MS = 15_000;
const KEEP_SHADOWS_MS = 1_000;
const ASK_AGAIN_MS = 5_000;
/** When a device is lost, others are asked once more what their shadows hold; so long at most. */
const LAST_LOOK_MS = 300;
/** Faults of the world, not of the program: the thread is started again from its checkpoint. `conflict`: its epoch is used up. */
const TRANSIENT = new Set(['connection-lost', 'timeout', 'internal', 'conflict']);

export class ResourceManager {
  private readonly drivers = new Map<ThreadId, MigrationDriver>();
  /** Threads that an agent has confirmed to execute, by epoch. */
  private readonly confirmed = new Map<ThreadId, number>();
  /** Epochs that an agent was asked to run, and has not answered. */
  private readonly busy = new Map<ThreadId, number>();
  private readonly askedAtMs = new Map<ThreadId, MonotonicMs>();
  /** Their answers, to be waited for. */
  private readonly runs = new Map<ThreadId, Promise<void>>();
  private readonly instances = new Map<DeviceId, string>();
  private readonly restarts = new Map<ThreadId, readonly MonotonicMs[]>();
  private readonly settlements: Settlements;
  readonly shadows: ShadowKeeper;
  private readonly takeOvers: TakeOvers;
  private readonly orphans = new Orphans();
  private readonly ticking: Timer[] = [];
  private planning = false;

  constructor(private readonly parts: ManagerParts, private readonly limits: PlanLimits, private readonly horizonMs: number) {
    this.settlements = new Settlements(horizonMs);
    this.takeOvers = new TakeOvers(parts.timers);
    const { agents, owners, clock, ids, log, registry } = parts;
    this.shadows = new ShadowKeeper({
      agents, owners, clock, ids, log, registry, secret: parts.driver.secret, leased: () => parts.view.leases.keys(), snapshot: () => this.snapshot(),
      atRest: (thread) => !this.drivers.has(thread) && !this.busy.has(thread),
    });
  }

  start(periodMs: number): void {
    this.ticking.push(this.parts.timers.every(periodMs, () => void this.round()), this.parts.timers.every(KEEP_SHADOWS_MS, () => void this.shadows.round()));
  }
  close(): void {
    for (const timer of this.ticking) timer.cancel();
    for (const driver of this.drivers.values()) driver.abandon();
  }

  // --- one round ---

  private async round(): Promise<void> {
    if (this.planning) return;
    this.planning = true;
    try {
      await this.readOwners();
      for (const spec of this.parts.registry().threads.values()) this.keepRunning(spec);
      this.restoreOrphans();
      for (const decision of plan(this.snapshot(), this.limits, this.parts.ids).decisions) await this.carryOut(decision);
      for (const settlement of this.settlements.observe(this.parts.clock.nowMs(), this.measured)) await this.recordSettlement(settlement);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.parts.log.warn({ code: error.code, err: error }, 'round cut short');
    } finally {
      this.planning = false;
    }
  }

  private readonly measured = {
    deviceNow: (device: DeviceId) => this.parts.view.deviceNow(device),
    threadDemand: (thread: ThreadId) => this.parts.view.demandNow(thread),
  };

  private async readOwners(): Promise<void> {
    for (const spec of this.parts.registry().threads.values()) {
      if (this.parts.owners.isKnown(spec.thread)) continue;
      await this.parts.journal.ensureShard(spec.shard);
      await this.parts.owners.read(spec);
      await this.settleLeftover(spec);
    }
  }

  /** An intent without outcome that no driver of ours follows: a controller died in between. The source goes on. */
  private async settleLeftover(spec: ThreadSpec): Promise<void> {
    const own = this.parts.owners.of(spec.thread);
    const intent = own && (await this.parts.journal.newestIntent(addressOf(spec)));
    // It may have a driver by now, or have had one, while the journal was read: then the append must not rest on what that has learned.
    if (!own || !intent || intent.record.epoch !== own.record.epoch || this.drivers.has(spec.thread)) return;
    const outcome = await this.parts.owners.append(spec, {
      device: own.record.device, reason: 'rolled-back', migration: intent.record.migration, checkpoint: own.record.checkpoint, note: 'the controller that drove the migration is gone',
    }, own);
    this.parts.log.warn({ thread: spec.thread, migration: intent.record.migration, outcome: outcome.result }, 'left-over migration settled');
    if (outcome.result !== 'appended') return;
    const { epoch } = outcome.own.record;
    const thawed = await this.parts.agents.ownership(own.record.device, 'thaw', { thread: spec.thread, epoch, ownSeq: outcome.own.seq, migration: '' });
    if (!isRefusal(thawed)) this.confirmed.set(spec.thread, epoch);
    await this.parts.agents.ownership(intent.record.target, 'retire', { thread: spec.thread, epoch, ownSeq: 0, migration: intent.record.migration });
  }

  private snapshot(): ClusterSnapshot {
    const { view, owners, clock, registry } = this.parts;
    return view.snapshot({
      nowMs: clock.nowMs(), horizonMs: this.horizonMs, budgetWindowMs: this.limits.budgetWindowMs, registry: registry(),
      deviceOf: (thread) => owners.deviceOf(thread), epochOf: (thread) => owners.of(thread)?.record.epoch ?? 0,
      plannable: (spec) => owners.isKnown(spec.thread) && !owners.isRetired(spec.thread) && view.memory(spec.thread).fault === undefined && (!this.busy.has(spec.thread) || owners.deviceOf(spec.thread) !== undefined),
      movesInFlight: [...this.drivers.values()].map(({ state }) => ({ thread: state.thread, source: state.source, target: state.target, expectedDoneAtMs: state.deadlineMs })),
    });
  }

  private async record(decision: Decision, effective: boolean): Promise<void> {
    await this.parts.publishDecision({ decision });
    this.settlements.add(decision, effective);
    this.parts.log.info({ thread: decision.thread, action: decision.action, trigger: decision.trigger, source: decision.source, target: decision.target }, decision.reason);
  }

  private async recordSettlement(settlement: Settlement): Promise<void> {
    const { view } = this.parts;
    view.settled = { ...view.settled, [settlement.verdict]: view.settled[settlement.verdict] + 1 };
    await this.parts.publishDecision({ settlement });
  }

  private async carryOut(decision: Decision): Promise<void> {
    const spec = this.parts.registry().threads.get(decision.thread);
    if (!spec) return;
    const memory = this.parts.view.memory(spec.thread);
    await this.record(decision, decision.action !== 'migrate');
    switch (decision.action) {
      case 'keep':
        memory.lastKeptAtMs = decision.atMs;
        return;
      case 'place': case 'restore':
        return this.changeOwner(spec, decision.target!, decision.action === 'place' ? 'placed' : 'failed-over', decision.reason, this.shadows.on(spec.thread, decision.target!));
      case 'migrate':
        await this.migrate(spec, decision);
        return;
      case 'throttle': case 'unthrottle': {
        const cores = decision.action === 'throttle' ? (decision.throttleCores ?? 0) : 0;
        const reply = await this.parts.agents.throttle(decision.source!, { thread: spec.thread, cpuCores: cores });
        if (isRefusal(reply)) return void this.parts.log.warn({ thread: spec.thread, reason: reply.reason }, 'not throttled');
        memory.lastThrottledAtMs = decision.atMs;
        if (decision.action === 'throttle') memory.throttledToCores = cores;
        else delete memory.throttledToCores;
      }
    }
  }

  // --- owners ---

  /** C2: the append decides; who loses it has only learned something. */
  private async changeOwner(spec: ThreadSpec, device: DeviceId, reason: OwnReason, note: string, shadow?: ShadowStatus): Promise<void> {
    const before = this.parts.owners.of(spec.thread);
    const open = before && (await this.parts.journal.newestIntent(addressOf(spec)));
    const migration = open && open.record.epoch === before?.record.epoch ? { migration: open.record.migration } : {};
    const [checkpoint] = await this.parts.journal.checkpoints(addressOf(spec), 1);
    const outcome = await this.parts.owners.append(spec, { device, reason, checkpoint: shadow?.checkpoint ?? checkpoint?.record.k ?? 0, note: note.slice(0, 1_000), ...migration }, before);
    if (outcome.result !== 'appended') return;
    // A driver whose new owner was lost at once would go on asking it, and nobody else may be told to run meanwhile.
    this.drivers.get(spec.thread)?.overtaken(outcome.own);
    this.keepRunning(spec);
  }

  /** Sees to it that the newest owner executes the thread; repeats itself until an agent says so. */
  private keepRunning(spec: ThreadSpec): void {
    const { owners, view, agents, clock, log } = this.parts;
    const own = owners.of(spec.thread);
    if (!own || own.record.reason === 'retired' || this.drivers.has(spec.thread)) return;
    // A command that nobody answers must not hold up the next owner's; and it may be lost: asked twice it is obeyed once.
    const nowMs = clock.monotonicMs();
    if (this.busy.get(spec.thread) === own.record.epoch && nowMs - (this.askedAtMs.get(spec.thread) ?? 0) < ASK_AGAIN_MS) return;
    if (this.confirmed.get(spec.thread) === own.record.epoch || !view.leases.has(own.record.device) || view.memory(spec.thread).fault !== undefined) return;
    const { epoch, device, checkpoint } = own.record;
    this.busy.set(spec.thread, epoch);
    this.askedAtMs.set(spec.thread, nowMs);
    const run = agents.run(device, { spec, epoch, ownSeq: own.seq, checkpoint }).then(
      (reply) => (isRefusal(reply) ? this.onRunRefused(spec, reply) : void this.confirmed.set(spec.thread, epoch)),
      (error: Error) => log.warn({ thread: spec.thread, device, err: error }, 'run in doubt; asked again'),
    ).finally(() => {
      if (this.busy.get(spec.thread) === epoch) this.busy.delete(spec.thread);
      if (this.runs.get(spec.thread) === run) this.runs.delete(spec.thread);
    });
    this.runs.set(spec.thread, run);
  }

  private async onRunRefused(spec: ThreadSpec, refusal: Refusal): Promise<void> {
    if (refusal.code === 'stale-epoch') return void (await this.parts.owners.read(spec));
    await this.fault(spec, refusal);
  }

  private async fault(spec: ThreadSpec, refusal: Refusal): Promise<void> {
    const own = this.parts.owners.of(spec.thread);
    if (TRANSIENT.has(refusal.code) && own) return this.startAgain(spec, own, refusal);
    const memory = this.parts.view.memory(spec.thread);
    if (memory.fault !== undefined) return; // told already
    memory.fault = refusal.reason;
    await this.record(this.note(spec.thread, 'keep', 'failure', `thread ${spec.thread} does not run: ${refusal.reason} (${refusal.code})`), true);
  }

  /** At once, and after a few times in a row with a pause: what the world does to a thread is no reason to give it up. */
  private async startAgain(spec: ThreadSpec, own: Stored<OwnRecord>, refusal: Refusal): Promise<void> {
    const { clock, timers, owners } = this.parts;
    const nowMs = clock.monotonicMs();
    const recent = (this.restarts.get(spec.thread) ?? []).filter((atMs) => nowMs - atMs < RESTART_WINDOW_MS);
    this.restarts.set(spec.thread, [...recent, nowMs]);
    const grant = async (): Promise<void> => {
      if (owners.of(spec.thread)?.seq !== own.seq) return; // somebody has decided meanwhile
      await this.changeOwner(spec, own.record.device, 're-granted', `started again after: ${refusal.reason}`);
    };
    if (recent.length < RESTARTS_AT_ONCE) return grant();
    timers.after(RESTART_PAUSE_MS, () => this.inDoubt(spec, grant));
  }

  private note(thread: ThreadId, action: Decision['action'], trigger: Decision['trigger'], reason: string): Decision {
    return { decision: this.parts.ids.next('d') as Decision['decision'], thread, atMs: this.parts.clock.nowMs(), action, trigger, reason, expectedGainCoreSeconds: 0, costCoreSeconds: 0, risk: 0, candidates: [] };
  }

  onThreadEvent(event: ThreadEvent): void {
    const spec = this.parts.registry().threads.get(event.thread);
    const own = this.parts.owners.of(event.thread);
    if (!spec || !own || own.record.epoch !== event.epoch) return;
    const work = async (): Promise<void> => {
      if (event.kind === 'fenced') return void (await this.parts.owners.read(spec));
      if (event.kind === 'exited') {
        await this.parts.owners.append(spec, { device: own.record.device, reason: 'retired', checkpoint: own.record.checkpoint, note: 'the program ended by itself' });
        return void (await this.parts.agents.ownership(own.record.device, 'retire', { thread: spec.thread, epoch: event.epoch + 1, ownSeq: 0, migration: '' }));
      }
      await this.fault(spec, refuse(event.code as Refusal['code'], event.reason));
    };
    work().catch((error: Error) => this.parts.log.warn({ thread: event.thread, kind: event.kind, err: error }, 'thread event not handled'));
  }

  /** A thread that was unregistered: nobody owns it any more. */
  async retire(spec: ThreadSpec): Promise<void> {
    this.drivers.get(spec.thread)?.take({ type: 'cancel', refusal: refuse('not-found', `thread ${spec.thread} was removed`) });
    const own = this.parts.owners.of(spec.thread);
    if (own && own.record.reason !== 'retired') {
      const outcome = await this.parts.owners.append(spec, { device: own.record.device, reason: 'retired', checkpoint: own.record.checkpoint, note: 'the thread was removed from the registry' });
      if (outcome.result === 'appended') await this.parts.agents.ownership(own.record.device, 'retire', { thread: spec.thread, epoch: outcome.own.record.epoch, ownSeq: 0, migration: '' });
    }
    this.confirmed.delete(spec.thread);
    this.parts.view.forget(spec.thread);
    this.parts.owners.forget(spec.thread);
  }

  // --- leases ---

  onLease(lease: Lease): void {
    this.parts.view.leases.set(lease.device, lease);
    const before = this.instances.get(lease.device);
    this.instances.set(lease.device, lease.instance);
    if (before === undefined || before === lease.instance) return;
    this.parts.log.warn({ device: lease.device }, 'the agent was started anew; its threads get a new epoch');
    for (const spec of this.ownedBy(lease.device)) this.inDoubt(spec, () => this.changeOwner(spec, lease.device, 're-granted', 'the agent was started anew'));
  }

  async onLeaseEnded(device: DeviceId, reason: string): Promise<void> {
    this.parts.view.leases.delete(device);
    const owned = this.ownedBy(device);
    if (owned.length === 0) return;
    this.parts.log.warn({ device, reason, threads: owned.length }, 'device lost');
    for (const driver of this.drivers.values()) {
      if (driver.state.target === device) driver.take({ type: 'cancel', refusal: refuse('connection-lost', `the target ${device} is lost`) });
    }
    const decisions = restorePlan(this.snapshot(), device, this.limits, this.parts.ids);
    if (isRefusal(decisions)) return void this.parts.log.error({ device, reason: decisions.reason }, 'no plan to restore');
    await this.lastLook(owned);
    await Promise.all(decisions.map((decision) => this.takeOvers.inTurn(() => this.takeOver(this.withShadow(decision, device), device)).catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error;
      this.parts.log.warn({ thread: decision.thread, code: error.code, reason: error.message }, 'take-over in doubt; read again');
      this.parts.owners.forget(decision.thread);
    })));
  }

  private restoreOrphans(): void {
    const { owners, view, registry, clock, log } = this.parts;
    const ownersNow = [...registry().threads.values()].flatMap(({ thread }) => owners.deviceOf(thread) ?? []);
    for (const device of this.orphans.due(new Set(ownersNow.filter((device) => !view.leases.has(device))), clock.monotonicMs())) {
      this.onLeaseEnded(device, 'it has had no lease for long').catch((error: Error) => log.warn({ device, err: error }, 'restore cut short'));
    }
  }

  private async lastLook(owned: readonly ThreadSpec[]): Promise<void> {
    if (!owned.some(({ shadow }) => shadow !== undefined && shadow.policy !== 'none')) return;
    await new Promise<void>((resolve) => {
      const timer = this.parts.timers.after(LAST_LOOK_MS, resolve);
      void this.shadows.look().then(resolve).finally(() => timer.cancel());
    });
  }

  /** A shadow goes before every other device: it holds the state already. */
  private withShadow(decision: Decision, lost: DeviceId): Decision {
    const shadow = this.shadows.promotable(decision.thread, lost);
    if (!shadow) return decision;
    const reason = `${lost} does not answer; the shadow of ${decision.thread} on ${shadow.device} holds checkpoint ${shadow.checkpoint}, ${Math.round(shadow.lagMs)} ms behind`;
    return { ...decision, action: 'restore', target: shadow.device, reason };
  }

  /** Its turn may come late: by then the device may be back, or somebody else may have acted. A move under way has lost its race. */
  private async takeOver(decision: Decision, lost: DeviceId): Promise<void> {
    if (this.parts.owners.deviceOf(decision.thread) !== lost || this.parts.view.leases.has(lost)) return;
    await this.carryOut(decision);
    if (this.parts.owners.deviceOf(decision.thread) !== lost) this.drivers.get(decision.thread)?.take({ type: 'cancel', refusal: refuse('connection-lost', `the source ${lost} is lost`) });
    await this.runs.get(decision.thread);
  }

  private ownedBy(device: DeviceId): ThreadSpec[] {
    return [...this.parts.registry().threads.values()].filter((spec) => this.parts.owners.deviceOf(spec.thread) === device);
  }

  private inDoubt(spec: ThreadSpec, work: () => Promise<void>): void {
    work().catch((error: Error) => {
      this.parts.log.warn({ thread: spec.thread, err: error }, 'ownership in doubt; read again');
      this.parts.owners.forget(spec.thread);
    });
  }

  // --- migrations ---

  private async migrate(spec: ThreadSpec, decision: Decision): Promise<string | undefined> {
    const own = this.parts.owners.of(spec.thread);
    if (!own || this.drivers.has(spec.thread) || this.busy.has(spec.thread)) return undefined;
    const [checkpoint] = await this.parts.journal.checkpoints(addressOf(spec), 1);
    // C3: another command may have come while the journal was read.
    if (this.drivers.has(spec.thread) || this.parts.owners.of(spec.thread)?.seq !== own.seq) return undefined;
    const nowMs = this.parts.clock.nowMs();
    const state: MigrationState = {
      migration: migrationId(this.parts.ids.next('m')), thread: spec.thread, source: own.record.device, target: decision.target!, epoch: own.record.epoch, ownSeq: own.seq,
      cause: decision.reason, phase: 'planned', phaseSinceMs: nowMs, plannedAtMs: nowMs, deadlineMs: nowMs + this.parts.driver.limits.reserveMs, checkpoint: checkpoint?.record.k ?? 0, attempts: 0,
    };
    const { journal, owners, agents, clock, timers, log } = this.parts;
    const driver = new MigrationDriver(state, spec, this.parts.view.demandNow(spec.thread) ?? spec.expectedCores, { journal, owners, agents, clock, timers, log, ...this.parts.driver });
    this.drivers.set(spec.thread, driver);
    driver.start();
    void driver.settled.then((settled) => this.onSettled(spec, decision, settled));
    return state.migration;
  }

  private onSettled(spec: ThreadSpec, decision: Decision, state: MigrationState): void {
    this.drivers.delete(spec.thread);
    const { view, clock, log, owners } = this.parts;
    const overtaken = (owners.of(spec.thread)?.record.epoch ?? 0) > (state.newEpoch ?? state.epoch);
    log.info({ migration: state.migration, thread: state.thread, outcome: state.outcome, freezeMs: state.freezeMs, bytes: state.bytes, reason: state.failure?.reason }, 'migration settled');
    if (state.outcome === 'committed' && state.phase === 'retired') {
      this.confirmed.set(spec.thread, state.newEpoch!);
      this.settlements.effective(decision.decision);
      const atMs = clock.nowMs();
      view.moved(spec.thread, { from: state.source, to: state.target, atMs }, { runtime: spec.runtime, stateBytes: state.bytes ?? 0, totalMs: atMs - state.plannedAtMs, freezeMs: state.freezeMs ?? 0 });
    } else if (state.outcome === 'rolled-back') {
      // Nothing is confirmed by it: the source was thawed under the new epoch, or is asked to run it, also where it had not
      // begun the old one yet.
      view.memory(spec.thread).lastKeptAtMs = clock.nowMs();
    } else if (!overtaken) this.parts.owners.forget(spec.thread);
    if (overtaken) this.keepRunning(spec);
    if (!view.leases.has(this.parts.owners.deviceOf(spec.thread) ?? state.source)) void this.onLeaseEnded(this.parts.owners.deviceOf(spec.thread) ?? state.source, 'lost during a migration');
  }

  /** A move by command goes through the same filters, and is recorded like any decision. */
  async migrateByHand(request: MigrateRequest): Promise<MigrateReply> {
    const spec = this.parts.registry().threads.get(request.thread);
    if (!spec) return { code: 'not-found', reason: `thread ${request.thread} is not registered`, field: 'thread' };
    const decision = explainManual(this.snapshot(), request, this.limits, this.parts.ids);
    if (isRefusal(decision)) return { code: decision.code, reason: decision.reason, ...(decision.field ? { field: decision.field } : {}) };
    if (decision.action !== 'migrate') return { code: 'conflict', reason: `thread ${spec.thread} has no owner yet; it is being placed`, field: 'thread' };
    await this.record(request.note ? { ...decision, reason: `${request.note}; ${decision.reason}` } : decision, false);
    const migration = await this.migrate(spec, decision);
    return migration ? { migration } : { code: 'conflict', reason: `another change of thread ${spec.thread} is under way`, field: 'thread' };
  }
}
