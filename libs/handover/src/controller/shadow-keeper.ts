/**
 * Sees to it that every thread whose registration asks for it has one shadow, fed by its owner, and no other thread has one.
 *
 * Invariants: W1. It holds nothing that lasts: what there is, agents report; what there should be, the registry says. A new
 * controller goes on where the last one ended, and two at a time do the same. W2. At most one change is under way for each
 * thread. W3. A shadow that could be promoted is given up only when another holds the thread's state, or it may not stay.
 */
import { isRefusal, migrationId, OperationError, type Clock, type DeviceId, type DurationMs, type IdSource, type MonotonicMs, type Refusal, type ThreadId } from '@godwit/kernel';
import type { ClusterSnapshot } from '@godwit/decision';
import type { AgentStatus, ShadowStatus } from '@godwit/migration';
import type { Registry, ThreadSpec } from '@godwit/registry';
import type { AgentCalls, Log } from '../ports.js';
import type { Owners } from './owners.js';
import { placeShadow, whyNotShadow, type ShadowPlaces } from './shadow-place.js';

export interface KeeperParts {
  readonly agents: AgentCalls;
  readonly owners: Owners;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Log;
  readonly registry: () => Registry;
  /** Devices whose leases are held. */
  readonly leased: () => Iterable<DeviceId>;
  readonly snapshot: () => ClusterSnapshot;
  /** Nobody changes its owner at the moment. */
  readonly atRest: (thread: ThreadId) => boolean;
  /** 32 fresh random bytes: the one-time key of a feed. */
  readonly secret: () => Uint8Array;
}

/** A feed that was arranged has so long to bring something before it is arranged anew. */
const PATIENCE_MS: DurationMs = 10_000;
const AGAIN_MS: DurationMs = 2_000;
const DECLINED_MS: DurationMs = 30_000;

export class ShadowKeeper {
  private readonly reports = new Map<DeviceId, AgentStatus>();
  private readonly arranging = new Set<ThreadId>();
  private readonly notBefore = new Map<ThreadId, MonotonicMs>();
  private readonly declined = new Map<ThreadId, Map<DeviceId, MonotonicMs>>();
  private readonly complaints = new Map<ThreadId, string>();
  /** How often it was asked that each is fed. */
  private readonly arrangedMs = new Map<ThreadId, DurationMs>();
  private hasLooked = false;
  private looking = false;

  constructor(private readonly parts: KeeperParts) {}

  /** Once a second. */
  async round(): Promise<void> {
    if (this.looking || !this.isNeeded()) return;
    this.looking = true;
    try {
      await this.look();
      const snapshot = this.parts.snapshot();
      for (const spec of this.parts.registry().threads.values()) this.keep(spec, snapshot);
      for (const shadow of this.all()) if (!this.parts.registry().threads.has(shadow.thread)) this.dismiss(shadow);
    } finally {
      this.looking = false;
    }
  }

  private isNeeded(): boolean {
    return !this.hasLooked || this.all().length > 0 || [...this.parts.registry().threads.values()].some(wantsShadow);
  }

  /** Asks every living agent what it holds. One that does not answer is believed to hold what it held. */
  async look(): Promise<void> {
    const leased = new Set(this.parts.leased());
    for (const device of this.reports.keys()) if (!leased.has(device)) this.reports.delete(device);
    await Promise.all([...leased].map(async (device) => {
      try {
        const status = await this.parts.agents.status(device);
        if (!isRefusal(status)) this.reports.set(device, status);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        this.parts.log.warn({ device, reason: error.message }, 'its shadows are not known');
      }
    }));
    this.hasLooked = true;
  }

  private all(): ShadowStatus[] {
    return [...this.reports.values()].flatMap(({ shadows }) => shadows);
  }
  private of(thread: ThreadId): ShadowStatus[] {
    return this.all().filter((shadow) => shadow.thread === thread);
  }

  /** The shadow with which the thread would go on best; undefined where none holds a state. */
  promotable(thread: ThreadId, lost: DeviceId): ShadowStatus | undefined {
    const leased = new Set(this.parts.leased());
    const [best] = this.of(thread).filter(({ device, checkpoint }) => checkpoint > 0 && device !== lost && leased.has(device)).sort((a, b) => b.checkpoint - a.checkpoint || (a.device < b.device ? -1 : 1));
    return best;
  }

  /** The thread's shadow on that device, if it holds a state. */
  on(thread: ThreadId, target: DeviceId): ShadowStatus | undefined {
    return this.of(thread).find(({ device, checkpoint }) => device === target && checkpoint > 0);
  }

  private keep(spec: ThreadSpec, snapshot: ClusterSnapshot): void {
    const { thread } = spec;
    const present = this.of(thread);
    const own = this.parts.owners.of(thread);
    if (!wantsShadow(spec) || own?.record.reason === 'retired') {
      for (const shadow of present) this.dismiss(shadow);
      return;
    }
    if (!own) return;
    const places = this.placesFor(spec, own.record.device, snapshot);
    const fit = present.filter((shadow) => snapshot.devices.some((device) => device.spec.device === shadow.device && whyNotShadow(spec, device, places) === undefined));
    const [best] = fit.sort((a, b) => worth(b, own.record.device) - worth(a, own.record.device) || (a.device < b.device ? -1 : 1));
    // W3: one that may not stay is kept until another holds a state, unless it is on the owner itself.
    for (const shadow of present) if (shadow !== best && (shadow.device === own.record.device || (best !== undefined && best.checkpoint > 0))) this.dismiss(shadow);
    if (best && best.source === own.record.device && best.state === 'following' && this.isFed(best) && (this.arrangedMs.get(thread) ?? periodOf(spec)) === periodOf(spec)) return;
    if (best && best.state === 'waiting' && this.isPatient(thread)) return;
    this.arrange(spec, { device: own.record.device, epoch: own.record.epoch }, best?.device ?? placeShadow(spec, places));
  }

  /** What its owner says; a connection may have ended at one side only. */
  private isFed({ thread, source, device }: ShadowStatus): boolean {
    const host = this.reports.get(source)?.threads.find((one) => one.thread === thread);
    return host === undefined || host.feeds === device;
  }

  private placesFor(spec: ThreadSpec, owner: DeviceId, snapshot: ClusterSnapshot): ShadowPlaces {
    const nowMs = this.parts.clock.monotonicMs();
    const declined = new Set([...(this.declined.get(spec.thread) ?? [])].filter(([, atMs]) => nowMs - atMs < DECLINED_MS).map(([device]) => device));
    const { threads } = this.parts.registry();
    const shadowBytesOn = (device: DeviceId): number =>
      this.all().reduce((sum, shadow) => sum + (shadow.device === device && shadow.thread !== spec.thread ? (threads.get(shadow.thread)?.limits.memoryBytes ?? 0) : 0), 0);
    return { snapshot, owner, shadowBytesOn, declined };
  }

  private isPatient(thread: ThreadId): boolean {
    return this.parts.clock.monotonicMs() < (this.notBefore.get(thread) ?? 0);
  }

  private arrange(spec: ThreadSpec, owner: { readonly device: DeviceId; readonly epoch: number }, target: DeviceId | Refusal): void {
    const { thread } = spec;
    const { log, clock } = this.parts;
    if (isRefusal(target)) {
      if (this.complaints.get(thread) !== target.reason) log.warn({ thread, reason: target.reason }, 'no shadow');
      return void this.complaints.set(thread, target.reason);
    }
    if (this.arranging.has(thread) || this.isPatient(thread) || !this.parts.atRest(thread) || ![...this.parts.leased()].includes(owner.device)) return;
    this.complaints.delete(thread);
    this.arranging.add(thread);
    this.notBefore.set(thread, clock.monotonicMs() + AGAIN_MS);
    this.feed(spec, owner, target).catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error;
      log.warn({ thread, target, reason: error.message }, 'shadow in doubt; arranged again');
    }).finally(() => this.arranging.delete(thread));
  }

  /** The shadow first, then its owner: each is told where and with which key. */
  private async feed(spec: ThreadSpec, owner: { readonly device: DeviceId; readonly epoch: number }, target: DeviceId): Promise<void> {
    const { agents, ids, log, clock, secret } = this.parts;
    const { thread } = spec;
    const shadow = migrationId(ids.next('s'));
    const transferKey = secret();
    const door = await agents.shadow(target, { shadow, spec, source: owner.device, epoch: owner.epoch, transferKey });
    if (isRefusal(door)) {
      log.warn({ thread, target, code: door.code, reason: door.reason }, 'shadow declined');
      const declined = this.declined.get(thread) ?? new Map<DeviceId, MonotonicMs>();
      return void this.declined.set(thread, declined.set(target, clock.monotonicMs()));
    }
    const checkpointMs = periodOf(spec);
    const fed = await agents.feed(owner.device, { shadow, thread, epoch: owner.epoch, target, bulkHost: door.bulkHost, bulkPort: door.bulkPort, transferKey, checkpointMs });
    if (isRefusal(fed)) return void log.warn({ thread, owner: owner.device, code: fed.code, reason: fed.reason }, 'shadow not fed');
    this.arrangedMs.set(thread, checkpointMs);
    log.info({ thread, shadow, source: owner.device, target }, 'shadow arranged');
    this.notBefore.set(thread, clock.monotonicMs() + PATIENCE_MS);
  }

  private dismiss({ thread, shadow, device }: ShadowStatus): void {
    this.parts.agents.unshadow(device, { thread, shadow }).then((reply) => {
      if (isRefusal(reply)) this.parts.log.warn({ thread, device, reason: reply.reason }, 'shadow not dismissed');
    }, (error: Error) => this.parts.log.warn({ thread, device, reason: error.message }, 'shadow not dismissed yet'));
  }
}

const wantsShadow = ({ shadow }: ThreadSpec): boolean => shadow !== undefined && shadow.policy !== 'none';
/** Time between two checkpoints, as the policy asks. */
const periodOf = ({ shadow, checkpointMs }: ThreadSpec): DurationMs => (shadow?.policy === 'continuous' ? shadow.lagLimitMs : checkpointMs);
/** One that follows the owner before one that only holds something, that before one that holds nothing. */
const worth = ({ state, source, checkpoint }: ShadowStatus, owner: DeviceId): number => (state === 'following' && source === owner ? 2 : 0) + (checkpoint > 0 ? 1 : 0);
