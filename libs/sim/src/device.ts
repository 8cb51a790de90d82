/** One simulated device: the production's `Agent` and `LeaseKeeper` on simulated ports, and a disk that outlives its crashes. */
import { OperationError, type DeviceId, type MigrationId } from '@godwit/kernel';
import { Agent, LeaseKeeper, SELF_MS, type BulkLink, type Checkpoints, type Log, type OwnLog } from '@godwit/handover';
import type { Journal } from '@godwit/journal';
import type { ThreadEvent } from '@godwit/migration';
import type { Broker } from './broker.js';
import type { Dice, EventLoop } from './loop.js';
import type { Net } from './net.js';
import { Proc } from './proc.js';
import { SimLink } from './sim-link.js';
import { PROGRAM, SimRunner, type RunnerWorld } from './sim-runner.js';

/** What a device's agent is built from; planted bugs wrap these. */
export interface DevicePorts {
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly ownLog: OwnLog;
  runner(runner: SimRunner): SimRunner;
  readonly selfFencing: boolean;
}

export interface DeviceWorld {
  readonly loop: EventLoop;
  readonly dice: Dice;
  readonly net: Net;
  readonly broker: Broker;
  readonly log: (device: string) => Log;
  readonly runners: RunnerWorld;
  /** The agent's ports in this life of the device. */
  readonly ports: (device: SimDevice) => DevicePorts;
  readonly deviceAt: (host: string) => SimDevice | undefined;
  readonly tellController: (from: SimDevice, event: ThreadEvent) => void;
  /** Bytes of a snapshot on their way: as they are, damaged, or undefined when they are lost. */
  readonly spoil: (bytes: Uint8Array) => Uint8Array | undefined;
  readonly onBoot: (device: SimDevice) => void;
}

const RETRANSMIT_MS = 400;
const RETRANSMISSIONS = 12;

/** The own log's file: what was synced survives a crash. */
export class OwnDisk {
  private seen = 0;
  private synced = 0;
  private ever = 0;
  private epochs = new Map<string, number>();
  private syncedEpochs = new Map<string, number>();
  note(seq: number): void {
    this.seen = Math.max(this.seen, seq);
    this.ever = Math.max(this.ever, seq);
  }
  sync(): void {
    this.synced = this.seen;
    this.syncedEpochs = new Map(this.epochs);
  }
  crash(): void {
    this.seen = this.synced;
    this.epochs = new Map(this.syncedEpochs);
  }
  adopt(thread: string, epoch: number): void {
    this.epochs.set(thread, Math.max(epoch, this.adopted(thread)));
  }
  adopted(thread: string): number {
    return this.epochs.get(thread) ?? 0;
  }
  highest(): number {
    return this.seen;
  }
  /** With what crashes took: the truth, for the checks. */
  highestEver(): number {
    return this.ever;
  }
}

export class SimDevice {
  readonly proc: Proc;
  readonly disk = new OwnDisk();
  agent: Agent | undefined;
  keeper: LeaseKeeper | undefined;
  /** Runners of this life, dead ones included. */
  runners: SimRunner[] = [];
  private readonly doors = new Map<MigrationId, { readonly key: Uint8Array; readonly open: (link: BulkLink) => void }>();
  /** When the last renewal that succeeded was asked for. */
  renewedAtMs = 0;
  startedAtMs = 0;

  constructor(readonly device: DeviceId, private readonly world: DeviceWorld, readonly rate: number) {
    this.proc = new Proc(device, world.loop, rate);
  }

  boot(): void {
    const { world, proc } = this;
    proc.start();
    this.startedAtMs = world.loop.nowMs;
    this.renewedAtMs = world.loop.nowMs;
    this.runners = [];
    this.doors.clear();
    const ports = world.ports(this);
    const log = world.log(this.device);
    const { life } = proc;
    const agent = new Agent(
      { device: this.device, capacityCores: 8, memoryBytes: 1e9, runtimes: ['wasm'], bulkHost: this.device, bootId: 'one-boot', sampleMs: 1e9, pid: 1, chain: { mostDeltas: 4, mostDeltaRatio: 100 } },
      {
        journal: ports.journal, checkpoints: ports.checkpoints, ownLog: ports.ownLog, clock: proc.clock, timers: proc.timers, log,
        programs: { load: async (spec) => ({ thread: spec.thread, runtime: spec.runtime, bytes: new Uint8Array(0), sha256: PROGRAM, args: [], env: {}, seed: 1, limits: spec.limits }) },
        pool: { take: async () => this.newRunner(ports), close: () => undefined },
        bulk: this.bulk(), capacity: { kind: 'none', missing: () => [], admit: () => undefined, release: () => undefined, close: () => undefined },
        links: { deviceAt: () => undefined, copied: () => undefined },
        publishEvent: (event) => world.tellController(this, event), onProcesses: () => undefined, onGone: () => undefined,
      },
    );
    const keeper = new LeaseKeeper({
      clock: proc.clock, timers: proc.timers, log,
      renew: async () => {
        const askedAtMs = world.loop.nowMs;
        const lease = { device: this.device, bootId: 'one-boot', instance: `i-${life}`, renewedAtMs: proc.clock.nowMs(), bulkHost: this.device, bulkPort: 1 };
        await world.net.ask(proc, world.broker.proc, 2_000, () => world.broker.renew(lease));
        this.renewedAtMs = askedAtMs;
      },
      onLapse: () => { if (ports.selfFencing) agent.onLapse(); },
      onRegain: (stillHeld) => agent.onRegain(stillHeld),
    });
    this.agent = agent;
    this.keeper = keeper;
    void keeper.start();
    world.onBoot(this);
  }

  /** The process dies; what its disk has not synced is lost, and its runners die with it. */
  crash(): void {
    this.proc.crash();
    this.disk.crash();
    for (const runner of this.runners) runner.end();
    this.agent = undefined;
  }

  /** The broker can be reached again after it could not. */
  reconnected(): void {
    const { agent } = this;
    if (!agent) return;
    agent.checkBroker().catch((error: Error) => this.world.log(this.device).warn({ err: error.message }, 'broker not checked'));
  }

  /** True while the rule of self-fencing forbids it to execute: no renewal for longer than it may, and it had time to notice. */
  mustStandStill(slackMs: number): boolean {
    const { loop } = this.world;
    if (this.proc.paused || loop.nowMs - this.proc.wokeAtMs < slackMs) return false;
    return (loop.nowMs - Math.max(this.renewedAtMs, this.startedAtMs)) * this.rate > SELF_MS + slackMs;
  }

  /** As TCP: again and again, until it has come or the connection is given up. */
  private persist(target: SimDevice, run: () => void): void {
    let arrived = false;
    const attempt = (left: number): void => {
      if (arrived) return;
      this.world.net.send(this.proc, target.proc, () => {
        if (arrived) return;
        arrived = true;
        run();
      });
      if (left > 0) this.proc.timers.after(RETRANSMIT_MS, () => attempt(left - 1));
    };
    attempt(RETRANSMISSIONS);
  }

  private newRunner(ports: DevicePorts): SimRunner {
    const runner = ports.runner(new SimRunner(this.proc, this.world.runners));
    this.runners.push(runner);
    return runner;
  }

  private bulk() {
    return {
      port: 1,
      expect: (migration: MigrationId, key: Uint8Array, open: (link: BulkLink) => void) => void this.doors.set(migration, { key, open }),
      forget: (migration: MigrationId) => void this.doors.delete(migration),
      close: () => this.doors.clear(),
      knock: (at: { readonly host: string }, migration: MigrationId, key: Uint8Array, timeoutMs: number): Promise<BulkLink> => this.knock(at.host, migration, key, timeoutMs),
    };
  }

  private async knock(host: string, migration: MigrationId, key: Uint8Array, timeoutMs: number): Promise<BulkLink> {
    const { net, deviceAt, spoil } = this.world;
    const target = deviceAt(host);
    const lost = (why: string): OperationError => new OperationError('connection-lost', `bulk door of ${host}: ${why}`, { effect: 'none' });
    if (!target) throw lost('no such device');
    const link = new SimLink((bytes, arrive) => {
      const carried = spoil(bytes);
      net.send(this.proc, target.proc, () => arrive(carried));
    }, { spoil, persist: (run) => this.persist(target, run) });
    try {
      await net.ask(this.proc, target.proc, timeoutMs, () => {
        const expected = target.doors.get(migration);
        if (!expected || expected.key !== key) throw lost('a stranger');
        target.doors.delete(migration);
        expected.open(link);
      });
    } catch (error) {
      throw error instanceof OperationError ? lost(error.message) : error;
    }
    return link;
  }
}

/** The own log on the device's disk. @param syncs false for the planted bug */
export const ownLogOn = (device: SimDevice, dice: Dice, syncs: boolean): OwnLog => ({
  adopted: (at, fence) => new Promise((resolve) => {
    device.disk.note(fence.ownSeq);
    device.disk.adopt(at.thread, fence.epoch);
    if (!syncs) return resolve();
    device.proc.timers.after(dice.between(0.2, 5), () => {
      device.disk.sync();
      resolve();
    });
  }),
  appended: (_at, _fence, _output, seq) => noteLater(device, dice, seq, syncs),
  checkpointed: (_at, seq) => noteLater(device, dice, seq, syncs),
  adoptedEpoch: (at) => device.disk.adopted(at.thread),
  seen: () => device.disk.highest(),
});

function noteLater(device: SimDevice, dice: Dice, seq: number, syncs: boolean): void {
  device.disk.note(seq);
  if (syncs) device.proc.timers.after(dice.between(0.2, 5), () => device.disk.sync());
}
