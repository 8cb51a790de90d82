/**
 * The agent of one device: obeys the controller, hosts threads, keeps its lease. Every command is idempotent under
 * (thread, epoch, migration), and one that carries an old epoch is refused.
 *
 * Invariants: A1. Only the newest `own` record makes a thread run here; after any doubt it is read again. A2. What a
 * command reserves is given back when the command fails. A3. A frozen source that hears nothing asks for its re-grant by
 * the same append that a commit would need, before it thaws.
 */
import { isRefusal, refuse, type Clock, type DeviceId, type DurationMs, type MigrationId, type Refusal, type ShardId, type ThreadId } from '@godwit/kernel';
import type { CapacityEnforcer } from '@godwit/cgroup';
import { knock, type BulkDoor } from '@godwit/bulk';
import type { Fence, Journal, ThreadAddress } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import type { RestoredMark } from '@godwit/runtime';
import type { Log } from '@godwit/shell';
import type { ActivateCommand, ActivateReply, AgentStatus, Done, FreezeCommand, FreezeReply, OwnershipCommand, PrepareCommand, PrepareReply, RunCommand, StagedCommand, StagedReply, ThreadEvent, ThrottleCommand } from '@godwit/wire';
import type { CheckpointWriter } from './checkpoints.js';
import type { OwnLog } from './own-log.js';
import type { Links } from './links.js';
import type { Programs } from './programs.js';
import type { RunnerPool } from '@godwit/runner-host';
import { ThreadHost } from './thread-host.js';

export interface AgentOptions {
  readonly device: DeviceId;
  readonly capacityCores: number;
  readonly memoryBytes: number;
  readonly runtimes: readonly string[];
  readonly bulkHost: string;
  readonly bootId: string;
  readonly sampleMs: DurationMs;
}
export interface AgentParts {
  readonly journal: Journal;
  readonly checkpoints: CheckpointWriter;
  readonly ownLog: OwnLog;
  readonly programs: Programs;
  readonly pool: RunnerPool;
  readonly door: BulkDoor;
  readonly enforcer: CapacityEnforcer;
  readonly links: Links;
  readonly clock: Clock;
  readonly log: Log;
  readonly publishEvent: (event: ThreadEvent) => void;
  readonly onProcesses: (pids: readonly number[]) => void;
  readonly onGone: (thread: ThreadId) => void;
}

interface Staging {
  readonly host: ThreadHost;
  readonly arrived: Promise<RestoredMark | Refusal>;
}

const KNOCK_MS: DurationMs = 3_000;
const ARRIVE_MS: DurationMs = 30_000;
const FROZEN_PATIENCE_MS: DurationMs = 20_000;
const DONE: Done = {};

export class Agent {
  private readonly hosts = new Map<ThreadId, ThreadHost>();
  private readonly staging = new Map<MigrationId, Staging>();
  private readonly starting = new Map<ThreadId, Promise<Done | Refusal>>();
  private refusedAppends = 0;
  /** Set once the broker was found to be behind our own log. */
  regression: Refusal | undefined;

  constructor(private readonly options: AgentOptions, private readonly parts: AgentParts) {}

  running(): Iterable<ThreadHost> {
    return this.hosts.values();
  }

  // --- placing and restoring ---

  async run(command: RunCommand): Promise<Done | Refusal> {
    const { thread } = command.spec;
    const pending = this.starting.get(thread);
    if (pending) return pending;
    const present = this.hosts.get(thread);
    if (present?.fence && present.fence.epoch >= command.epoch && present.state !== 'fenced') return DONE;
    const work = this.begin(command).finally(() => this.starting.delete(thread));
    this.starting.set(thread, work);
    return work;
  }

  private async begin(command: RunCommand): Promise<Done | Refusal> {
    if (this.regression) return this.regression;
    const stale = (await this.checkOwner(command.spec, command)) ?? (await this.checkShard(command.spec.shard));
    if (stale) return stale;
    await this.remove(command.spec.thread);
    const host = await this.makeHost(command.spec);
    if (isRefusal(host)) return host;
    const refusal = await host.own({ epoch: command.epoch, ownSeq: command.ownSeq });
    if (isRefusal(refusal)) {
      await host.end();
      return refusal;
    }
    this.keep(host);
    return DONE;
  }

  /** A1: the journal's word, not the command's. */
  private async checkOwner(spec: ThreadSpec, fence: Fence): Promise<Refusal | undefined> {
    await this.parts.journal.ensureShard(spec.shard);
    const newest = await this.parts.journal.newestOwn(addressOf(spec));
    if (newest && newest.record.epoch === fence.epoch && newest.seq === fence.ownSeq && newest.record.device === this.options.device) return undefined;
    return refuse('stale-epoch', `thread ${spec.thread}: the newest owner record is ${newest ? `epoch ${newest.record.epoch} of ${newest.record.device}` : 'missing'}, not epoch ${fence.epoch} of ${this.options.device}`, 'epoch');
  }

  private async makeHost(spec: ThreadSpec): Promise<ThreadHost | Refusal> {
    if (!this.options.runtimes.includes(spec.runtime)) return refuse('no-capability', `device ${this.options.device} has no runtime ${spec.runtime}`, 'runtime');
    const used = [...this.hosts.values()].reduce((sum, host) => sum + host.spec.limits.memoryBytes, 0);
    if (used + spec.limits.memoryBytes > this.options.memoryBytes) {
      return refuse('no-capacity', `device ${this.options.device}: ${used} bytes of ${this.options.memoryBytes} are spoken for, ${spec.limits.memoryBytes} more do not fit`, 'limits.memoryBytes');
    }
    const program = await this.parts.programs.load(spec);
    if (isRefusal(program)) return program;
    const runner = await this.parts.pool.take();
    const host: ThreadHost = new ThreadHost(spec, runner, {
      device: this.options.device, journal: this.parts.journal, checkpoints: this.parts.checkpoints, ownLog: this.parts.ownLog, clock: this.parts.clock, log: this.parts.log,
      tell: (kind, refusal) => this.tell(host, kind, refusal),
    });
    const refusal = await host.prepare(program);
    if (!isRefusal(refusal)) return host;
    await host.end();
    return refusal;
  }

  private keep(host: ThreadHost): void {
    this.hosts.set(host.spec.thread, host);
    this.parts.enforcer.admit(host.pid);
    host.runner.sampleEvery(this.options.sampleMs);
    this.tellProcesses();
  }

  private async remove(thread: ThreadId): Promise<void> {
    const host = this.hosts.get(thread);
    if (!host) return;
    this.hosts.delete(thread);
    this.refusedAppends += host.refusedAppends + host.withheldOutputs;
    this.parts.enforcer.release(host.pid);
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
    const reply: PrepareReply = { bulkHost: this.options.bulkHost, bulkPort: this.parts.door.port };
    if (this.staging.has(command.migration)) return reply;
    if (this.hosts.has(command.spec.thread)) return refuse('conflict', `thread ${command.spec.thread} runs on ${this.options.device} already`, 'target');
    const host = await this.makeHost(command.spec);
    if (isRefusal(host)) return host;
    const arrived = new Promise<RestoredMark | Refusal>((resolve) => {
      const timer = setTimeout(() => resolve(refuse('timeout', `no snapshot arrived within ${ARRIVE_MS} ms`)), ARRIVE_MS);
      this.parts.door.expect(command.migration, command.transferKey, (socket) => {
        clearTimeout(timer);
        host.receive(socket).then(resolve, (error: Error) => resolve(refuse('connection-lost', error.message)));
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
    const staging = this.staging.get(command.migration);
    if (!staging) return refuse('not-found', `migration ${command.migration} is not staged here`, 'migration');
    const stale = await this.checkOwner(staging.host.spec, command);
    if (stale) return stale;
    const refusal = await staging.host.own({ epoch: command.epoch, ownSeq: command.ownSeq });
    if (isRefusal(refusal)) return refusal;
    this.staging.delete(command.migration);
    this.keep(staging.host);
    return this.runningNow();
  }

  private runningNow(): ActivateReply {
    return { runningMonotonicMs: this.parts.clock.monotonicMs(), bootId: this.options.bootId };
  }

  /** The migration did not come to its commit. */
  async discard(migration: MigrationId): Promise<void> {
    const staging = this.staging.get(migration);
    this.staging.delete(migration);
    this.parts.door.forget(migration);
    await staging?.host.end();
  }

  // --- the source's side ---

  async freeze(command: FreezeCommand): Promise<FreezeReply | Refusal> {
    const host = this.hosts.get(command.thread);
    if (!host) return refuse('not-found', `thread ${command.thread} does not run on ${this.options.device}`, 'thread');
    if (host.fence?.epoch !== command.epoch) return refuse('stale-epoch', `thread ${command.thread} is in epoch ${host.fence?.epoch ?? 0}, not ${command.epoch}`, 'epoch');
    const startedMs = this.parts.clock.monotonicMs();
    // A freeze must not be slowed by the quota that made it necessary.
    this.parts.enforcer.release(host.pid);
    const sent = await host.freezeAndSend(() => knock({ host: command.bulkHost, port: command.bulkPort }, command.migration, command.transferKey, KNOCK_MS));
    if (isRefusal(sent)) {
      if (host.state === 'running') this.parts.enforcer.admit(host.pid);
      return sent;
    }
    const target = this.parts.links.deviceAt(command.bulkHost, command.bulkPort);
    if (target) this.parts.links.copied(target, sent.mark.bytes, this.parts.clock.monotonicMs() - startedMs);
    this.askWhenForgotten(host, command.epoch);
    return { digestSha256: sent.mark.digest, sizeBytes: sent.mark.bytes, frozenMonotonicMs: sent.frozenAtMs, bootId: this.options.bootId };
  }

  /** A3. */
  private askWhenForgotten(host: ThreadHost, epoch: number): void {
    setTimeout(() => {
      if (host.state !== 'frozen' || host.fence?.epoch !== epoch) return;
      this.askForGrant(host).catch((error: Error) => {
        this.parts.log.warn({ thread: host.spec.thread, err: error }, 'no answer to the re-grant; asked again later');
        this.askWhenForgotten(host, epoch);
      });
    }, FROZEN_PATIENCE_MS).unref();
  }

  private async askForGrant(host: ThreadHost): Promise<void> {
    const { spec, fence } = host;
    if (!fence) return;
    const outcome = await this.parts.journal.appendOwn(addressOf(spec), fence.ownSeq, {
      epoch: fence.epoch + 1, device: this.options.device, reason: 're-granted', checkpoint: 0, note: 'frozen, and nobody told what became of the migration',
    });
    const own = outcome.result === 'appended' ? outcome.own : outcome.newest;
    if (own?.record.device === this.options.device) await this.thaw({ thread: spec.thread, epoch: own.record.epoch, ownSeq: own.seq, migration: '' });
    else await this.remove(spec.thread);
  }

  async thaw(command: OwnershipCommand): Promise<Done | Refusal> {
    const host = this.hosts.get(command.thread);
    if (!host) return refuse('not-found', `thread ${command.thread} does not run on ${this.options.device}`, 'thread');
    const stale = await this.checkOwner(host.spec, command);
    if (stale) return stale;
    const refusal = await host.thaw({ epoch: command.epoch, ownSeq: command.ownSeq });
    if (isRefusal(refusal)) return refusal;
    this.parts.enforcer.admit(host.pid);
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
    const refusal = this.parts.ownLog.regression(shard, await this.parts.journal.lastSeq(shard));
    if (!refusal) return undefined;
    this.regression = refusal;
    this.parts.log.fatal({ shard, reason: refusal.reason }, 'ALARM: the broker went backwards; threads stopped');
    for (const host of this.hosts.values()) host.suspend();
    return refusal;
  }

  // --- the lease ---

  onLapse(): void {
    for (const host of this.hosts.values()) host.suspend();
  }

  /** Alive again: whose thread is it now? */
  async onRegain(): Promise<void> {
    if (this.regression) return;
    for (const host of [...this.hosts.values()]) {
      if (host.state !== 'suspended' && host.state !== 'frozen' && host.state !== 'fenced') continue;
      const newest = await this.parts.journal.newestOwn(addressOf(host.spec));
      if (newest && newest.record.device === this.options.device && newest.record.epoch === host.fence?.epoch) host.unsuspend();
      else await this.remove(host.spec.thread);
    }
  }

  status(): AgentStatus {
    const { enforcer } = this.parts;
    const hosts = [...this.hosts.values()];
    return {
      device: this.options.device, enforcement: enforcer.kind, bootId: this.options.bootId, pid: process.pid,
      missing: enforcer.knobs().filter((knob) => !knob.available).map((knob) => `${knob.name}: ${knob.reason ?? 'not offered'}`),
      refusedAppends: hosts.reduce((sum, host) => sum + host.refusedAppends, this.refusedAppends),
      threads: hosts.map((host) => ({
        thread: host.spec.thread, epoch: host.fence?.epoch ?? 0, state: host.state, outN: host.outN, cursorSeq: host.cursorSeq, refusedAppends: host.refusedAppends, fault: host.fault?.reason ?? '',
      })),
    };
  }

  async close(): Promise<void> {
    // An orderly end leaves fresh checkpoints, so that the next start repeats little.
    await Promise.allSettled([...this.hosts.values()].filter((host) => host.state === 'running').map((host) => host.checkpoint()));
    await Promise.allSettled([...this.hosts.values(), ...[...this.staging.values()].map(({ host }) => host)].map((host) => host.end()));
    this.parts.pool.close();
    this.parts.door.close();
    this.parts.enforcer.close();
  }
}

const addressOf = (spec: ThreadSpec): ThreadAddress => ({ shard: spec.shard, thread: spec.thread });
