/** One simulated controller: the production's `ResourceManager` on simulated ports. More than one may act at a time. */
import { OperationError, refuse, type DeviceId, type IdSource, type Refusal, type ThreadId } from '@godwit/kernel';
import { DEFAULT_PLAN_LIMITS, type ClusterSnapshot, type DemandPath } from '@godwit/decision';
import { Owners, ResourceManager, type AgentCalls, type ClusterPicture, type Log, type SnapshotInput, type ThreadMemory } from '@godwit/handover';
import type { Journal } from '@godwit/journal';
import { DEFAULT_LIMITS, type Lease, type MigrationState, type ThreadEvent } from '@godwit/migration';
import type { Registry } from '@godwit/registry';
import { LEASE_MS, type Broker, type LeaseEvent } from './broker.js';
import type { SimDevice } from './device.js';
import type { Dice, EventLoop } from './loop.js';
import type { Net } from './net.js';
import { Proc } from './proc.js';

const LIMITS = { ...DEFAULT_PLAN_LIMITS, triggers: [], coolDownMs: 0, movesAtOnce: 8, movesPerDevice: 8, movesPerWindow: 1_000 };
const HORIZON_MS = 2_000;
/** The same as the production's timeouts of commands. */
const TIMEOUTS = { run: 60_000, prepare: 25_000, copy: 40_000, freeze: 40_000, staged: 40_000, activate: 3_000, ownership: 3_000, throttle: 2_000, feed: 15_000, status: 2_000 } as const;

export interface ControllerWorld {
  readonly loop: EventLoop;
  readonly dice: Dice;
  readonly net: Net;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly log: (name: string) => Log;
  readonly journal: (proc: Proc) => Journal;
  readonly calls: (calls: AgentCalls) => AgentCalls;
  readonly deviceNamed: (device: DeviceId) => SimDevice;
  readonly onStatus: (state: MigrationState) => void;
}

export class ControllerNode {
  readonly proc: Proc;
  manager: ResourceManager | undefined;
  private picture = new SimPicture();

  constructor(name: string, private readonly world: ControllerWorld, rate: number) {
    this.proc = new Proc(name, world.loop, rate);
  }

  boot(): void {
    const { world, proc } = this;
    proc.start();
    const journal = world.journal(proc);
    this.picture = new SimPicture();
    let made = 0;
    const { life } = proc;
    const ids: IdSource = { next: (prefix) => `${prefix}-${proc.name}-${life}-${made++}` };
    this.manager = new ResourceManager({
      journal, owners: new Owners(journal), agents: world.calls(this.agentCalls()), view: this.picture, clock: proc.clock, timers: proc.timers, ids, log: world.log(proc.name), registry: () => world.registry,
      publishDecision: () => Promise.resolve(),
      driver: { limits: DEFAULT_LIMITS, secret: () => new Uint8Array(32), publish: async (state) => world.onStatus(state) },
    }, LIMITS, HORIZON_MS);
    void this.watchLeases(life);
    this.manager.start(1_000);
  }
  crash(): void {
    this.proc.crash();
    this.manager = undefined;
  }

  /** A move by command. */
  move(thread: ThreadId, target: DeviceId): void {
    this.proc.deliver(() => void this.manager?.migrateByHand({ thread, target, note: '', force: true }).catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error; // in doubt: whoever asked looks again
    }));
  }
  /** Why the controller has given a thread up, if it has. */
  faultOf(thread: ThreadId): string | undefined {
    return this.picture.memory(thread).fault;
  }
  take(event: ThreadEvent): void {
    this.manager?.onThreadEvent(event);
  }

  /** As the adapter for NATS watches: all that is held, then every change; after a restart of the broker those who are missing get one lease's time. */
  private async watchLeases(life: number): Promise<void> {
    const { broker, net } = this.world;
    const held = new Set<DeviceId>();
    const missing = new Map<DeviceId, { cancel(): void }>();
    const end = (device: DeviceId, reason: string): void => {
      missing.get(device)?.cancel();
      missing.delete(device);
      if (held.delete(device)) void this.manager?.onLeaseEnded(device, reason).catch((error: Error) => this.world.log(this.proc.name).warn({ err: error.message }, 'restore cut short'));
    };
    const take = (lease: Lease): void => {
      missing.get(lease.device)?.cancel();
      missing.delete(lease.device);
      held.add(lease.device);
      this.manager?.onLease(lease);
    };
    const ask = async <Reply>(serve: () => Reply | Promise<Reply>): Promise<Reply | undefined> => {
      try {
        return await net.ask(this.proc, broker.proc, 2_000, serve);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return undefined;
      }
    };
    while (this.proc.life === life) {
      const now = await ask(() => broker.leasesNow());
      if (!now) continue;
      for (const lease of now.held) take(lease);
      for (const device of held) {
        if (!now.held.some((lease) => lease.device === device) && !missing.has(device)) missing.set(device, this.proc.timers.after(LEASE_MS, () => end(device, 'expired')));
      }
      let { next } = now;
      for (let restarted = false; !restarted;) {
        const events: readonly LeaseEvent[] | 'restarted' | undefined = await ask(() => broker.leaseEventsFrom(now.boot, next));
        restarted = events === 'restarted';
        if (!events || events === 'restarted') continue;
        next += events.length;
        for (const event of events) if (event.type === 'held') take(event.lease); else end(event.device, event.reason);
      }
    }
  }

  private agentCalls(): AgentCalls {
    const { world, proc } = this;
    const ask = <Reply>(device: DeviceId, timeoutMs: number, serve: (device: SimDevice) => Promise<Reply | Refusal> | Reply | Refusal): Promise<Reply | Refusal> => {
      const target = world.deviceNamed(device);
      return world.net.ask(proc, target.proc, timeoutMs, async () => {
        try {
          return await serve(target);
        } catch (error) {
          return refuse('internal', `${device}: ${(error as Error).message}`);
        }
      }, [world.broker.proc]);
    };
    return {
      run: (device, command) => ask(device, TIMEOUTS.run, ({ agent }) => agent!.run(command)),
      prepare: (device, command) => ask(device, TIMEOUTS.prepare, ({ agent }) => agent!.prepare(command)),
      copy: (device, command) => ask(device, TIMEOUTS.copy, ({ agent }) => agent!.copy(command)),
      freeze: (device, command) => ask(device, TIMEOUTS.freeze, ({ agent }) => agent!.freeze(command)),
      awaitStaged: (device, command) => ask(device, TIMEOUTS.staged, ({ agent }) => agent!.awaitStaged(command)),
      activate: (device, command) => ask(device, TIMEOUTS.activate, ({ agent }) => agent!.activate(command)),
      ownership: (device, verb, command) => ask(device, TIMEOUTS.ownership, ({ agent }) => agent![verb](command)),
      throttle: (device, command) => ask(device, TIMEOUTS.throttle, ({ agent }) => agent!.throttle(command)),
      shadow: (device, command) => ask(device, TIMEOUTS.prepare, ({ agent }) => agent!.shadow(command)),
      feed: (device, command) => ask(device, TIMEOUTS.feed, ({ agent }) => agent!.feed(command)),
      unshadow: (device, command) => ask(device, TIMEOUTS.ownership, ({ agent }) => agent!.unshadow(command)),
      status: (device) => ask(device, TIMEOUTS.status, ({ agent }) => agent!.status()),
      waitForPath: () => Promise.resolve(),
    };
  }
}

const flat = (nowMs: number): DemandPath => ({ issuedAtMs: nowMs, stepMs: 1_000, p10: [0.1], p50: [0.1], p90: [0.1] });

/** The controller's picture without measurements: every device is wide, every thread small. */
class SimPicture implements ClusterPicture {
  readonly leases = new Map<DeviceId, Lease>();
  settled = { helped: 0, useless: 0, harmful: 0 };
  private readonly memories = new Map<ThreadId, ThreadMemory>();

  memory(thread: ThreadId): ThreadMemory {
    let memory = this.memories.get(thread);
    if (!memory) this.memories.set(thread, (memory = { moves: [] }));
    return memory;
  }
  moved(): void {
    // Nothing is learned from moves here.
  }
  forget(thread: ThreadId): void {
    this.memories.delete(thread);
  }
  demandNow(): undefined {
    return undefined;
  }
  deviceNow(): undefined {
    return undefined;
  }
  snapshot(input: SnapshotInput): ClusterSnapshot {
    const { nowMs, horizonMs, registry, movesInFlight } = input;
    const threads = [...registry.threads.values()].filter(input.plannable).map((spec) => {
      const device = input.deviceOf(spec.thread);
      return {
        spec, goals: {}, epoch: input.epochOf(spec.thread), ...(device ? { device } : {}), demand: flat(nowMs), demandNowCores: 0.1, backlogRecords: 0, stateBytes: 1_000, dirtyBytesPerSecond: 0,
        moving: movesInFlight.some((move) => move.thread === spec.thread), movesInWindow: 0, lastMoves: [],
      };
    });
    const devices = [...registry.devices.values()].map((spec) => ({
      spec, alive: this.leases.has(spec.device), draining: false, usedCores: 0, enforcedCores: spec.cpuCores, baseDemand: flat(nowMs), memoryUsedBytes: 0, failureProbability: 0, reservations: [], maintenance: [],
    }));
    return { nowMs, horizonMs, devices, threads, traffic: [], links: [], moveHistory: [], movesInFlight, settled: this.settled };
  }
}

