/**
 * The agent of one device: obeys the controller, hosts threads, keeps its lease. Every command is idempotent under
 * (thread, epoch, migration), and one that carries an old epoch is refused.
 *
 * Invariants: A1. Only the newest `own` record makes a thread run here; after any doubt it is read again. A2. What a
 * command reserves is given back when the command fails. A3. A frozen source that hears nothing asks for its re-grant by
 * the same append that a commit would need, before it thaws. A4. An epoch is begun once: appends of whoever began it may
 * still be on their way, and would land among those of a second one.
 *
 * It is long because each command to a device stands here, and each is short.
 */
import { isRefusal, OperationError, refuse, type Clock, type DeviceId, type DurationMs, type MigrationId, type Refusal, type ShardId, type ThreadId, type Timer, type Timers } from '@godwit/kernel';
import type { Fence, Journal, ThreadAddress } from '@godwit/journal';
import type { ActivateCommand, ActivateReply, AgentStatus, CopyCommand, CopyReply, CopyReport, Done, FeedCommand, FreezeCommand, FreezeReply, MissingRuntime, OwnershipCommand, PrepareCommand, PrepareReply, RunCommand, ShadowCommand, ShadowStatus, StagedCommand, StagedReply, ThreadEvent, ThrottleCommand, UnshadowCommand } from '@godwit/migration';
import type { ThreadSpec } from '@godwit/registry';
import type { RestoredMark, ThreadProgram } from '@godwit/runtime';
import type { BulkPaths, Capacity, Checkpoints, Log, OwnLog, PeerLinks, ProgramSource, Runner, RunnerPool } from '../ports.js';
import type { ChainLimits } from './checkpoint-chain.js';
import { Shadows } from './shadows.js';
import { ThreadHost } from './thread-host.js';

export interface AgentOptions {
  readonly device: DeviceId;
  readonly capacityCores: number;
  readonly memoryBytes: number;
  readonly runtimes: readonly string[];
  /** Those that it was asked to offer and cannot. */
  readonly missingRuntimes?: readonly MissingRuntime[];
  readonly bulkHost: string;
  readonly bootId: string;
  readonly pid: number;
  readonly sampleMs: DurationMs;
  /** When a thread's checkpoints begin a new base. */
  readonly chain?: ChainLimits;
}
export interface AgentParts {
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly ownLog: OwnLog;
  readonly programs: ProgramSource;
  readonly pool: RunnerPool;
  readonly bulk: BulkPaths;
  readonly capacity: Capacity;
  readonly links: PeerLinks;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly publishEvent: (event: ThreadEvent) => void;
  /** How a copy goes; for whoever looks. */
  readonly publishCopy?: (report: CopyReport) => void;
  /** What each shadow here holds, every second; for whoever looks. */
  readonly publishShadow?: (status: ShadowStatus) => void;
  readonly onProcesses: (pids: readonly number[]) => void;
  readonly onGone: (thread: ThreadId) => void;
}

interface Staging {
  readonly host: ThreadHost;
  readonly arrived: Promise<RestoredMark | Refusal>;
  activated?: Promise<void | Refusal>;
}

/** Of one host when the lease is back: the epoch that the journal grants to this device (0: another's), and the one it held when that was read. */
interface Judged {
  readonly granted: number;
  readonly held: number;
}

const KNOCK_MS: DurationMs = 3_000;
const ARRIVE_MS: DurationMs = 30_000;
const FROZEN_PATIENCE_MS: DurationMs = 20_000;
const REMIND_MS: DurationMs = 3_000;
const TELL_SHADOWS_MS: DurationMs = 1_000;
const DONE: Done = {};

export class Agent {
  private readonly hosts = new Map<ThreadId, ThreadHost>();
  private readonly staging = new Map<MigrationId, Staging>();
  private readonly preparing = new Set<MigrationId>();
  private readonly starting = new Map<ThreadId, { readonly epoch: number; readonly work: Promise<Done | Refusal> }>();
  private refusedAppends = 0;
  /** The lease has lapsed: nothing executes here until the journal has said of each thread whose it is. */
  private lapsed = false;
  private readonly reminder: Timer;
  private readonly shadowTeller: Timer;
  private readonly shadows: Shadows;
  /** Set once the broker was found to be behind our own log. */
  regression: Refusal | undefined;

  constructor(private readonly options: AgentOptions, private readonly parts: AgentParts) {
    const { clock, log, bulk, pool } = parts;
    this.shadows = new Shadows({ device: options.device, clock, log, bulk, admit: (spec) => this.admit(spec, 'shadow'), takeRunner: () => pool.take() });
    this.shadowTeller = parts.timers.every(TELL_SHADOWS_MS, () => { for (const status of this.shadows.statuses()) parts.publishShadow?.(status); });
    // Events are told without an acknowledgement: what still stands here is told again.
    this.reminder = parts.timers.every(REMIND_MS, () => {
      for (const host of this.hosts.values()) if (host.state === 'faulted' || host.state === 'fenced' || host.state === 'exited') this.tell(host, host.state, host.fault);
    });
  }

  running(): Iterable<ThreadHost> {
    return this.hosts.values();
  }

  // --- placing and restoring ---

  async run(command: RunCommand): Promise<Done | Refusal> {
    const { thread } = command.spec;
    const pending = this.starting.get(thread);
    if (pending && pending.epoch >= command.epoch) return pending.work;
    // What is beginning has an older epoch: it says nothing of this one, and is replaced when it has come to its end.
    const begin = (): Promise<Done | Refusal> => this.begin(command);
    const work = (pending ? pending.work.then(begin, begin) : begin()).finally(() => {
      if (this.starting.get(thread)?.work === work) this.starting.delete(thread);
    });
    this.starting.set(thread, { epoch: command.epoch, work });
    return work;
  }

  private async begin(command: RunCommand): Promise<Done | Refusal> {
    const present = this.hosts.get(command.spec.thread);
    if (present?.fence && present.fence.epoch >= command.epoch && present.state !== 'fenced') return DONE;
    if (this.regression) return this.regression;
    if (this.lapsed) return this.noLease();
    if (this.parts.ownLog.adoptedEpoch(addressOf(command.spec)) >= command.epoch) {
      return refuse('conflict', `thread ${command.spec.thread}: epoch ${command.epoch} was begun on ${this.options.device} before; it goes on in the next`, 'epoch');
    }
    const stale = (await this.checkOwner(command.spec, command)) ?? (await this.checkShard(command.spec.shard));
    if (stale) return stale;
    await this.remove(command.spec.thread);
    const host = (await this.fromShadow(command.spec)) ?? (await this.makeHost(command.spec));
    if (isRefusal(host)) return host;
    const refusal = await this.give(host, command);
    if (isRefusal(refusal)) return refusal;
    this.keep(host);
    return DONE;
  }

  /** A host that does not come to run is ended: half an owner would go on appending beside the next. */
  private async give(host: ThreadHost, { epoch, ownSeq }: Fence): Promise<void | Refusal> {
    try {
      const refusal = await host.own({ epoch, ownSeq });
      if (isRefusal(refusal)) await host.end();
      return refusal;
    } catch (error) {
      await host.end();
      throw error;
    }
  }

  private noLease(): Refusal {
    return refuse('stale-epoch', `the lease of device ${this.options.device} has lapsed; whose its threads are must be read again`, 'epoch');
  }

  /** A1: the journal's word, not the command's. */
  private async checkOwner(spec: ThreadSpec, fence: Fence): Promise<Refusal | undefined> {
    await this.parts.journal.ensureShard(spec.shard);
    const newest = await this.parts.journal.newestOwn(addressOf(spec));
    if (newest && newest.record.epoch === fence.epoch && newest.seq === fence.ownSeq && newest.record.device === this.options.device) return undefined;
    return refuse('stale-epoch', `thread ${spec.thread}: the newest owner record is ${newest ? `epoch ${newest.record.epoch} of ${newest.record.device}` : 'missing'}, not epoch ${fence.epoch} of ${this.options.device}`, 'epoch');
  }

  /** The thread's shadow here, made the thread; undefined where there is none that may be gone on from. */
  private async fromShadow(spec: ThreadSpec): Promise<ThreadHost | undefined> {
    const shadow = this.shadows.take(spec.thread);
    if (!shadow) return undefined;
    const host = this.hostOn(spec, shadow.runner);
    const { held } = shadow;
    try {
      const refusal = held ? await host.takeShadow(held) : refuse('conflict', 'it holds nothing yet');
      if (!isRefusal(refusal)) return host;
      this.parts.log.warn({ thread: spec.thread, k: held?.k, reason: refusal.reason }, 'shadow not promoted; restored from a checkpoint');
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.parts.log.warn({ thread: spec.thread, k: held?.k, reason: error.message }, 'shadow not promoted; restored from a checkpoint');
    }
    await host.end();
    return undefined;
  }

  /** Capability, room and program: what a thread or a shadow needs here. A thread goes before the shadows of others. */
  private async admit(spec: ThreadSpec, as: 'thread' | 'shadow'): Promise<ThreadProgram | Refusal> {
    const { device, runtimes, missingRuntimes = [] } = this.options;
    const why = missingRuntimes.find(({ runtime }) => runtime === spec.runtime);
    if (!runtimes.includes(spec.runtime)) return refuse('no-capability', `device ${device} has no runtime ${spec.runtime}${why ? `: ${why.reason}` : ''}`, 'runtime');
    const byThreads = [...this.hosts.values()].reduce((sum, host) => sum + host.spec.limits.memoryBytes, 0);
    if (as === 'thread') this.shadows.makeRoom(this.options.memoryBytes - byThreads - spec.limits.memoryBytes, spec.thread);
    const used = byThreads + this.shadows.memoryBytesWithout(spec.thread);
    if (used + spec.limits.memoryBytes > this.options.memoryBytes) {
      return refuse('no-capacity', `device ${this.options.device}: ${used} bytes of ${this.options.memoryBytes} are spoken for, ${spec.limits.memoryBytes} more do not fit`, 'limits.memoryBytes');
    }
    return this.parts.programs.load(spec);
  }

  private hostOn(spec: ThreadSpec, runner: Runner): ThreadHost {
    const { journal, checkpoints, ownLog, clock, timers, log } = this.parts;
    const { device, chain } = this.options;
    const host: ThreadHost = new ThreadHost(spec, runner, { device, journal, checkpoints, ownLog, clock, timers, log, ...(chain ? { chain } : {}), tell: (kind, refusal) => this.tell(host, kind, refusal) });
    return host;
  }

  private async makeHost(spec: ThreadSpec): Promise<ThreadHost | Refusal> {
    const program = await this.admit(spec, 'thread');
    if (isRefusal(program)) return program;
    const host = this.hostOn(spec, await this.parts.pool.take());
    const refusal = await host.prepare(program);
    if (!isRefusal(refusal)) return host;
    await host.end();
    return refusal;
  }

  private keep(host: ThreadHost): void {
    if (this.lapsed) host.suspend();
    this.hosts.set(host.spec.thread, host);
    this.shadows.end(host.spec.thread); // an owner is not its own shadow
    this.parts.capacity.admit(host.pid);
    host.runner.sampleEvery(this.options.sampleMs);
    this.tellProcesses();
  }

  private async remove(thread: ThreadId): Promise<void> {
    const host = this.hosts.get(thread);
    if (!host) return;
    this.hosts.delete(thread);
    this.refusedAppends += host.refusedAppends + host.withheldOutputs;
    this.parts.capacity.release(host.pid);
    this.parts.onGone(thread);
    this.tellProcesses();
    await host.end();
  }

  private tellProcesses(): void {
    this.parts.onProcesses([...this.hosts.values()].map((host) => host.pid));
  }

  private tell(host: ThreadHost, kind: ThreadEvent['kind'], refusal?: Refusal): void {
    this.parts.publishEvent({
      device: this.options.device, thread: host.spec.thread, epoch: host.fence?.epoch ?? 0, kind, code: refusal?.code ?? '', reason: refusal?.reason ?? '', atMs: this.parts.clock.nowMs(),
    });
  }

  // --- the target's side ---

  async prepare(command: PrepareCommand): Promise<PrepareReply | Refusal> {
    const reply: PrepareReply = { bulkHost: this.options.bulkHost, bulkPort: this.parts.bulk.port };
    if (this.staging.has(command.migration) || this.preparing.has(command.migration)) return reply;
    if (this.hosts.has(command.spec.thread)) return refuse('conflict', `thread ${command.spec.thread} runs on ${this.options.device} already`, 'target');
    this.preparing.add(command.migration);
    const host = await this.makeHost(command.spec).finally(() => this.preparing.delete(command.migration));
    if (isRefusal(host)) return host;
    const arrived = new Promise<RestoredMark | Refusal>((resolve) => {
      const timer = this.parts.timers.after(ARRIVE_MS, () => resolve(refuse('timeout', `no snapshot arrived within ${ARRIVE_MS} ms`)));
      this.parts.bulk.expect(command.migration, command.transferKey, (link) => {
        timer.cancel();
        host.receive(link).then(resolve, (error: Error) => resolve(refuse('connection-lost', error.message)));
      });
    });
    this.staging.set(command.migration, { host, arrived });
    return reply;
  }

  async awaitStaged(command: StagedCommand): Promise<StagedReply | Refusal> {
    const staging = this.staging.get(command.migration);
    if (!staging) return refuse('not-found', `migration ${command.migration} is not being staged here`, 'migration');
    const mark = await staging.arrived;
    return isRefusal(mark) ? mark : { digestSha256: mark.digest };
  }

  async activate(command: ActivateCommand): Promise<ActivateReply | Refusal> {
    const present = this.hosts.get(command.thread);
    if (present?.fence?.epoch === command.epoch) return this.runningNow();
    if (this.lapsed) return this.noLease();
    const staging = this.staging.get(command.migration);
    if (!staging) return refuse('not-found', `migration ${command.migration} is not staged here`, 'migration');
    const stale = await this.checkOwner(staging.host.spec, command);
    if (stale) return stale;
    // Commands come more than once: the first takes the copy, the others wait for what becomes of it.
    staging.activated ??= this.give(staging.host, command).finally(() => this.staging.delete(command.migration));
    const refusal = await staging.activated;
    if (isRefusal(refusal)) return refusal;
    if (this.hosts.get(command.thread) !== staging.host) this.keep(staging.host);
    return this.runningNow();
  }

  private runningNow(): ActivateReply {
    return { runningMonotonicMs: this.parts.clock.monotonicMs(), bootId: this.options.bootId };
  }

  /** The migration did not come to its commit. */
  async discard(migration: MigrationId): Promise<void> {
    const staging = this.staging.get(migration);
    this.staging.delete(migration);
    this.parts.bulk.forget(migration);
    await staging?.host.end();
  }

  // --- the source's side ---

  private hostOf({ thread, epoch }: { readonly thread: ThreadId; readonly epoch: number }): ThreadHost | Refusal {
    const host = this.hosts.get(thread);
    if (!host) return refuse('not-found', `thread ${thread} does not run on ${this.options.device}`, 'thread');
    if (host.fence?.epoch !== epoch) return refuse('stale-epoch', `thread ${thread} is in epoch ${host.fence?.epoch ?? 0}, not ${epoch}`, 'epoch');
    return host;
  }

  async copy(command: CopyCommand): Promise<CopyReply | Refusal> {
    const host = this.hostOf(command);
    if (isRefusal(host)) return host;
    const { migration, thread, bulkHost, bulkPort, freezeBudgetMs } = command;
    const startedMs = this.parts.clock.monotonicMs();
    const link = await this.parts.bulk.knock({ host: bulkHost, port: bulkPort }, migration, command.transferKey, KNOCK_MS);
    const copied = await host.copyLive(link, {
      freezeBudgetMs,
      onProgress: ({ refusal, ...progress }) => this.parts.publishCopy?.({ migration, thread, device: this.options.device, ...progress, ...(refusal ? { reason: refusal.reason } : {}) }),
    });
    if (isRefusal(copied)) return copied;
    const { rounds, imageBytes, wireBytes } = copied;
    const target = this.parts.links.deviceAt(bulkHost, bulkPort);
    if (target && wireBytes > 0) this.parts.links.copied(target, wireBytes, this.parts.clock.monotonicMs() - startedMs);
    return { rounds, imageBytes, wireBytes };
  }

  async freeze(command: FreezeCommand): Promise<FreezeReply | Refusal> {
    const host = this.hostOf(command);
    if (isRefusal(host)) return host;
    // A freeze must not be slowed by the quota that made it necessary.
    this.parts.capacity.release(host.pid);
    const sent = await host.freezeAndFinish();
    if (isRefusal(sent)) {
      if (host.state === 'running') this.parts.capacity.admit(host.pid);
      return sent;
    }
    this.askWhenForgotten(host, command.epoch);
    return { digestSha256: sent.mark.digest, sizeBytes: sent.mark.bytes, frozenMonotonicMs: sent.frozenAtMs, bootId: this.options.bootId };
  }

  /** A3. */
  private askWhenForgotten(host: ThreadHost, epoch: number): void {
    this.parts.timers.after(FROZEN_PATIENCE_MS, () => {
      if (host.state !== 'frozen' || host.fence?.epoch !== epoch) return;
      this.askForGrant(host).catch((error: Error) => {
        this.parts.log.warn({ thread: host.spec.thread, err: error }, 'no answer to the re-grant; asked again later');
        this.askWhenForgotten(host, epoch);
      });
    });
  }

  private async askForGrant(host: ThreadHost): Promise<void> {
    const { spec, fence } = host;
    if (!fence) return;
    const outcome = await this.parts.journal.appendOwn(addressOf(spec), fence.ownSeq, {
      epoch: fence.epoch + 1, device: this.options.device, reason: 're-granted', checkpoint: 0, note: 'frozen, and nobody told what became of the migration',
    });
    const own = outcome.result === 'appended' ? outcome.own : outcome.newest;
    const mine = own?.record.device === this.options.device;
    const thawed = mine ? await this.thaw({ thread: spec.thread, epoch: own.record.epoch, ownSeq: own.seq, migration: '' }) : undefined;
    // Somebody else's by now, or ours again after somebody else's: then it must begin from a checkpoint.
    if (!mine || isRefusal(thawed)) await this.remove(spec.thread);
  }

  async thaw(command: OwnershipCommand): Promise<Done | Refusal> {
    const host = this.hosts.get(command.thread);
    if (!host) return refuse('not-found', `thread ${command.thread} does not run on ${this.options.device}`, 'thread');
    const stale = await this.checkOwner(host.spec, command);
    if (stale) return stale;
    const refusal = await host.thaw({ epoch: command.epoch, ownSeq: command.ownSeq });
    if (isRefusal(refusal)) return refusal;
    this.parts.capacity.admit(host.pid);
    return DONE;
  }

  /** The thread belongs to somebody else, to nobody, or its staged copy is not needed: end what is here. */
  async retire(command: OwnershipCommand): Promise<Done | Refusal> {
    if (command.migration !== '') await this.discard(command.migration as MigrationId);
    const host = this.hosts.get(command.thread);
    if (host?.fence && host.fence.epoch >= command.epoch) return DONE;
    await this.remove(command.thread);
    return DONE;
  }

  // --- shadows ---

  async shadow(command: ShadowCommand): Promise<PrepareReply | Refusal> {
    const { thread } = command.spec;
    if (this.hosts.has(thread) || this.starting.has(thread)) return refuse('conflict', `thread ${thread} runs on ${this.options.device}: its shadow must be elsewhere`, 'target');
    const refusal = await this.shadows.arrange(command);
    return refusal ?? { bulkHost: this.options.bulkHost, bulkPort: this.parts.bulk.port };
  }

  async feed({ shadow, target, checkpointMs, bulkHost, bulkPort, transferKey, ...command }: FeedCommand): Promise<Done | Refusal> {
    const host = this.hostOf(command);
    if (isRefusal(host)) return host;
    if (host.feeding.shadow === shadow) return DONE;
    const link = await this.parts.bulk.knock({ host: bulkHost, port: bulkPort }, shadow, transferKey, KNOCK_MS);
    const refusal = await host.feedShadow(link, { shadow, target, checkpointMs });
    if (isRefusal(refusal)) {
      link.destroy();
      return refusal;
    }
    // Without one there is nothing to give, and a thread that is idle takes none.
    if (!host.checkpoints.hasBase) void host.checkpoint(true);
    return DONE;
  }

  unshadow(command: UnshadowCommand): Done {
    this.shadows.dismiss(command);
    return DONE;
  }

  throttle(command: ThrottleCommand): Done | Refusal {
    const host = this.hosts.get(command.thread);
    if (!host) return refuse('not-found', `thread ${command.thread} does not run on ${this.options.device}`, 'thread');
    host.throttleCores = command.cpuCores > 0 ? command.cpuCores : undefined;
    return DONE;
  }

  // --- the broker ---

  /**
   * After every connection: is the broker behind what this device has seen? Then it lost what it had acknowledged, and
   * nothing may run on it until a person has looked: threads stop, and stay stopped.
   */
  async checkBroker(): Promise<void> {
    for (const shard of new Set([...this.hosts.values()].map((host) => host.spec.shard))) await this.checkShard(shard);
  }

  private async checkShard(shard: ShardId): Promise<Refusal | undefined> {
    const seen = this.parts.ownLog.seen(shard); // before asking: what is appended meanwhile is no sign of a loss
    const lastSeq = await this.parts.journal.lastSeq(shard);
    if (lastSeq >= seen) return undefined;
    const refusal = refuse('broker-regressed', `shard ${shard}: the broker ends at record ${lastSeq}, but ${seen} was seen; records that it had acknowledged are lost`);
    this.regression = refusal;
    this.parts.log.fatal({ shard, reason: refusal.reason }, 'ALARM: the broker went backwards; threads stopped');
    for (const host of this.hosts.values()) host.suspend();
    return refusal;
  }

  // --- the lease ---

  onLapse(): void {
    this.lapsed = true;
    for (const host of this.hosts.values()) host.suspend();
  }

  /**
   * Alive again: whose thread is it now? All go on together, at the end, and only if the lease is still held then.
   * @returns whether they do.
   */
  async onRegain(stillHeld: () => boolean): Promise<boolean> {
    if (this.regression) return false;
    const judged = new Map<ThreadHost, Judged>();
    // Others may come while the journal is asked.
    for (let host = this.unjudged(judged); host; host = this.unjudged(judged)) {
      const newest = await this.parts.journal.newestOwn(addressOf(host.spec));
      judged.set(host, { granted: newest?.record.device === this.options.device ? newest.record.epoch : 0, held: host.fence?.epoch ?? 0 });
    }
    if (!stillHeld()) return false;
    this.lapsed = false;
    // One that was thawed while the others were asked about has a later word of the journal than ours.
    const mine = (host: ThreadHost, { granted, held }: Judged): boolean => host.fence?.epoch === granted || (host.fence?.epoch ?? 0) > held;
    const gone = [...judged].filter(([host, word]) => !mine(host, word)).map(([host]) => host);
    for (const [host, word] of judged) if (mine(host, word)) host.unsuspend();
    for (const host of gone) if (this.hosts.get(host.spec.thread) === host) await this.remove(host.spec.thread);
    return true;
  }
  private unjudged(judged: ReadonlyMap<ThreadHost, Judged>): ThreadHost | undefined {
    return [...this.hosts.values()].find((host) => !judged.has(host));
  }

  status(): AgentStatus {
    const { capacity } = this.parts;
    const hosts = [...this.hosts.values()];
    return {
      device: this.options.device, enforcement: capacity.kind, bootId: this.options.bootId, pid: this.options.pid,
      missing: capacity.missing(), shadows: this.shadows.statuses(),
      refusedAppends: hosts.reduce((sum, host) => sum + host.refusedAppends, this.refusedAppends),
      threads: hosts.map((host) => ({
        thread: host.spec.thread, epoch: host.fence?.epoch ?? 0, state: host.state, outN: host.outN, cursorSeq: host.cursorSeq, refusedAppends: host.refusedAppends, fault: host.fault?.reason ?? '',
        checkpoint: host.checkpoints.k, startedFrom: host.startedFrom ?? '', feeds: host.feeding.target ?? '',
      })),
    };
  }

  async close(): Promise<void> {
    this.reminder.cancel();
    this.shadowTeller.cancel();
    this.shadows.close();
    // An orderly end leaves fresh checkpoints, so that the next start repeats little.
    await Promise.allSettled([...this.hosts.values()].filter((host) => host.state === 'running').map((host) => host.checkpoint()));
    await Promise.allSettled([...this.hosts.values(), ...[...this.staging.values()].map(({ host }) => host)].map((host) => host.end()));
    this.parts.pool.close();
    this.parts.bulk.close();
    this.parts.capacity.close();
  }
}

const addressOf = (spec: ThreadSpec): ThreadAddress => ({ shard: spec.shard, thread: spec.thread });
