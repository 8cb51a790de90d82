/** One simulated cluster: three devices, one or two controllers, broker, store, gateway and purger, made from one seed. */
import { createHash, type Hash } from 'node:crypto';
import { Xoshiro128, type DeviceId, type ThreadId } from '@godwit/kernel';
import type { Log } from '@godwit/handover';
import type { Journal } from '@godwit/journal';
import { EMPTY_REGISTRY, type DeviceSpec, type Registry, type ThreadSpec } from '@godwit/registry';
import type { Bug } from './bugs.js';
import { Broker, SHARD } from './broker.js';
import { Checks, Violation, type ThreadTruth } from './checks.js';
import { ControllerNode } from './controller-node.js';
import { ownLogOn, SimDevice, type DeviceWorld } from './device.js';
import type { FaultKind } from './faults.js';
import { GatewayNode, PurgerNode } from './gateway-node.js';
import { Dice, EventLoop } from './loop.js';
import { Net } from './net.js';
import { Proc } from './proc.js';
import { SimJournal } from './sim-journal.js';
import { PROGRAM, type RunnerWorld } from './sim-runner.js';
import { Store, storeClient } from './store.js';

const KEPT_LINES = 400;
/** How late a device may notice that its lease has lapsed. */
const SLACK_MS = 500;

export interface WorldOptions {
  readonly seed: number;
  readonly bug?: Bug;
  /** With a thread that is not what it is registered as. */
  readonly liar: boolean;
  /** Clocks of devices go at other rates. */
  readonly oddClocks: boolean;
  /** Keeps every line of the history, not only the last. */
  readonly verbose: boolean;
}

const threadSpec = (name: string, more: Partial<ThreadSpec>): ThreadSpec => ({
  thread: name as ThreadId, application: 'sim' as ThreadSpec['application'], shard: SHARD, runtime: 'wasm', program: PROGRAM, args: [], env: {}, seed: 1, subscribes: [], deterministic: true, tickMs: 0, checkpointMs: 1_500,
  limits: { memoryBytes: 1_000_000, stackBytes: 1_000, tableEntries: 10, safepointMs: 100, cpuCores: 1 }, goals: {},
  affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false }, expectedCores: 0.1, ...more,
});
const deviceSpec = (name: string, i: number): DeviceSpec => ({
  device: name as DeviceId, kind: 'cpu', cpuCores: 16, memoryBytes: 1e9, place: { pop: 'p', rack: `r${i % 2}`, subnet: 's' }, pricePerHour: i, idleWatts: 1, busyWatts: 2, numaNodes: 1, runtimes: ['wasm'], labels: {},
});

export class World {
  readonly loop: EventLoop;
  readonly dice: Dice;
  readonly net: Net;
  readonly broker: Broker;
  readonly store: Store;
  readonly checks: Checks;
  readonly gateway: GatewayNode;
  readonly purger: PurgerNode;
  readonly devices: SimDevice[];
  readonly controllers: ControllerNode[];
  readonly truths: readonly ThreadTruth[];
  readonly registry: Registry;
  readonly fired = new Map<FaultKind, number>();
  violation: Violation | undefined;
  flushed = false;
  wentBack = false;
  spoilRatio = 0;
  spoiled = 0;
  /** Shadows that became their threads. */
  promoted = 0;
  private readonly hash: Hash = createHash('sha256');
  readonly lines: string[] = [];

  constructor(readonly options: WorldOptions) {
    const { seed, bug } = options;
    this.loop = new EventLoop(Xoshiro128.seeded(seed));
    this.dice = new Dice(this.loop.rng);
    this.net = new Net(this.loop, this.dice);
    this.truths = [
      { spec: threadSpec('t1', { shadow: { policy: 'continuous', lagLimitMs: 500, placement: 'other-rack' } }), random: false },
      { spec: threadSpec('t2', { subscribes: ['t1' as ThreadId], tickMs: 900 }), random: false },
      { spec: threadSpec('t3', { deterministic: false, shadow: { policy: 'interval', lagLimitMs: 1_000, placement: 'cheapest' } }), random: true },
      ...(options.liar ? [{ spec: threadSpec('t4', {}), random: true }] : []),
    ];
    this.checks = new Checks(this.truths, (violation) => { this.violation ??= violation; });
    const specs = this.truths.map(({ spec }) => spec);
    const names = ['d1', 'd2', 'd3'].map(deviceSpec);
    this.registry = { ...EMPTY_REGISTRY, threads: new Map(specs.map((spec) => [spec.thread, spec])), devices: new Map(names.map((spec) => [spec.device, spec])) };
    this.broker = new Broker(new Proc('broker', this.loop), this.loop, (entry) => {
      this.note(`log ${entry.seq} ${entry.subject.slice(13)}${entry.kept.type === 'own' ? ` ${entry.kept.record.reason} ${entry.kept.record.device} ${entry.kept.record.migration ?? ''}` : ''}`);
      if (!this.wentBack) this.checks.onAppend(entry);
    });
    Object.assign(this.broker.rules, bug?.broker);
    this.store = new Store(new Proc('store', this.loop), this.broker);
    Object.assign(this.store.rules, bug?.store);
    this.gateway = new GatewayNode(this.loop, this.dice, this.checks, specs, (proc) => this.journal(proc), (text) => this.note(text));
    this.purger = new PurgerNode(this.loop, { broker: this.broker, store: this.store, threads: specs, gateway: this.gateway, journalOf: (proc) => this.journal(proc) });
    if (bug?.purgeMarks) this.purger.marksOf = bug.purgeMarks;
    this.devices = names.map(({ device }) => new SimDevice(device, this.deviceWorld(), this.rate()));
    this.controllers = ['ctl', 'ctl-b'].map((name) => new ControllerNode(name, {
      loop: this.loop, dice: this.dice, net: this.net, broker: this.broker, registry: this.registry, log: (who) => this.log(who),
      journal: (proc) => this.journal(proc, 'controllerJournal'), calls: bug?.calls ?? ((calls) => calls), deviceNamed: (device) => this.device(device),
      onStatus: (state) => {
        this.note(`told ${state.migration} ${state.phase} ${state.outcome ?? ''}`);
        this.checks.onStatus(state);
      },
    }, this.rate()));
  }

  private rate(): number {
    return this.options.oddClocks ? this.dice.pick([0.5, 0.9, 1, 1.1, 2]) : 1;
  }

  private journal(proc: Proc, hook?: 'agentJournal' | 'controllerJournal'): Journal {
    const { bug } = this.options;
    const journal = new SimJournal(proc, this.broker, this.net);
    Object.assign(journal.habits, bug?.habits);
    const alter = hook && bug?.[hook];
    return alter ? alter(journal, { proc, broker: this.broker }) : journal;
  }

  private pids = 0;
  private runners(): RunnerWorld {
    return {
      nextPid: () => ++this.pids,
      loop: this.loop, dice: this.dice,
      onExecuted: (runner, record) => {
        const device = this.devices.find(({ runners }) => runners.includes(runner));
        if (device?.mustStandStill(SLACK_MS)) this.fail('I9', `${device.device} executes ${runner.program?.thread} at ${record.seq} without a lease`);
      },
      onPromoted: () => { this.promoted++; },
      isRandom: (thread) => this.truths.some(({ spec, random }) => random && spec.thread === thread),
    };
  }

  private deviceWorld(): DeviceWorld {
    const { bug } = this.options;
    return {
      loop: this.loop, dice: this.dice, net: this.net, broker: this.broker, log: (name) => this.log(name), runners: this.runners(),
      ports: (device) => {
        const context = { proc: device.proc, broker: this.broker };
        const checkpoints = storeClient(device.proc, this.store, this.net);
        const ownLog = ownLogOn(device, this.dice, bug?.syncsOwnLog ?? true);
        return {
          journal: this.journal(device.proc, 'agentJournal'), checkpoints: bug?.checkpoints?.(checkpoints, context) ?? checkpoints,
          ownLog: bug?.ownLog?.(ownLog) ?? ownLog, runner: (runner) => bug?.runner?.(runner, context) ?? runner,
          selfFencing: bug?.selfFencing ?? true,
        };
      },
      deviceAt: (host) => this.devices.find(({ device }) => device === host),
      tellController: (from, event) => {
        for (const controller of this.controllers) this.net.send(from.proc, controller.proc, () => controller.take(event), [this.broker.proc]);
      },
      spoil: (bytes) => this.spoil(bytes),
      onBoot: (device) => bug?.onBoot?.(device, this.truths.map(({ spec }) => spec), this.broker),
    };
  }

  private spoil(bytes: Uint8Array): Uint8Array | undefined {
    if (!this.dice.chance(this.spoilRatio)) return bytes;
    this.spoiled++;
    if (this.dice.chance(0.3)) return undefined;
    const copy = bytes.slice();
    // The last digit of the program's sum: it decodes, and is wrong.
    copy[copy.length - 1] = copy[copy.length - 1] === 0x30 ? 0x31 : 0x30;
    return copy;
  }

  device(device: DeviceId): SimDevice {
    return this.devices.find((one) => one.device === device)!;
  }

  start(): void {
    this.gateway.boot();
    for (const device of this.devices) device.boot();
    this.controllers[0]!.boot();
  }

  // --- used by faults ---

  brokerBack(): void {
    if (this.broker.proc.alive) return;
    this.broker.restart();
    this.loop.after(this.dice.between(20, 300), () => this.gateway.reconnected());
    for (const { device } of this.devices) this.reconnected(device);
  }
  reconnected(name: string): void {
    const device = this.devices.find((one) => one.device === name);
    if (device) this.loop.after(this.dice.between(20, 300), () => device.proc.deliver(() => device.reconnected()));
  }
  lost(lastSeq: number): void {
    this.checks.onLost(lastSeq, (thread) => this.gateway.releasedSeqOf(thread));
  }
  goBack(toSeq: number): void {
    this.wentBack = true;
    this.checks.blind = true;
    this.broker.goBack(toSeq);
    this.note(`broker back to ${toSeq}`);
  }
  newestCheckpoint(): string | undefined {
    const { thread } = this.dice.pick(this.truths).spec;
    const newest = this.broker.newest(thread, 'ck')?.kept;
    return newest?.type === 'ck' ? `${thread}/${newest.record.k}` : undefined;
  }

  // --- the end ---

  liveController(): string {
    const { name, life } = this.controllers[0]!.proc;
    return `m-${name}-${life}-`;
  }
  isAnswered({ spec: { thread } }: ThreadTruth): boolean {
    return this.checks.answered.has(thread);
  }
  /** A thread that is not what it was declared as, or whose checkpoints are lost, is rightly stopped with an alarm. */
  mayStandStill({ spec, random }: ThreadTruth): boolean {
    const lied = random && spec.deterministic;
    const lost = this.flushed || (this.lostCheckpoints.get(spec.thread)?.size ?? 0) >= (spec.deterministic ? 2 : 1);
    return (lied || lost) && (this.alarmed.has(spec.thread) || this.controllers[0]!.faultOf(spec.thread) !== undefined);
  }
  readonly alarmed = new Set<ThreadId>();
  readonly lostCheckpoints = new Map<string, Set<string>>();
  noteLost(key: string): void {
    const thread = key.split('/')[0]!;
    this.lostCheckpoints.set(thread, (this.lostCheckpoints.get(thread) ?? new Set()).add(key));
  }

  whatIsWrong(): string {
    const unanswered = this.truths.filter((truth) => !this.isAnswered(truth) && !this.mayStandStill(truth)).map(({ spec: { thread } }) => {
      const own = this.checks.ownerOf(thread);
      const hosts = this.devices.flatMap(({ device, agent }) => (agent?.status().threads ?? []).filter((one) => one.thread === thread).map((one) => `${device}: ${one.state} in epoch ${one.epoch} ${one.fault}`));
      return `${thread} does not answer (owner ${own?.device ?? 'none'} in epoch ${own?.epoch ?? 0}; ${hosts.join(', ') || 'no host'})`;
    });
    const unsettled = this.checks.unsettledOf(this.liveController()).map(({ migration, phase }) => `${migration} stands in ${phase}`);
    return [...unanswered, ...unsettled, ...this.checks.openIntents().map((migration) => `the intent of ${migration} has no outcome`)].join('; ');
  }

  /** I12: after the broker went back, whoever has seen more has stopped. */
  checkStopped(): void {
    if (!this.gateway.stopped && this.gateway.releasedSeq() > this.broker.lastSeq) this.fail('I12', `the gateway has released ${this.gateway.releasedSeq()}, the broker ends at ${this.broker.lastSeq}, and it goes on`);
    for (const { device, agent, disk } of this.devices) {
      const runs = [...(agent?.running() ?? [])].some(({ state }) => state === 'running');
      if (runs && disk.highestEver() > this.broker.lastSeq) this.fail('I12', `${device} has seen ${disk.highestEver()}, the broker ends at ${this.broker.lastSeq}, and it goes on`);
    }
  }

  close(): void {
    this.broker.proc.crash();
    this.store.proc.crash();
    this.purger.proc.crash();
    this.gateway.crash();
    for (const device of this.devices) device.crash();
    for (const controller of this.controllers) controller.crash();
  }

  // --- history ---

  fail(invariant: string, text: string): void {
    this.violation ??= new Violation(invariant, text);
  }
  note(text: string): void {
    const line = `${this.loop.nowMs.toFixed(3)} ${text}`;
    this.hash.update(line);
    this.lines.push(line);
    if (!this.options.verbose && this.lines.length > 2 * KEPT_LINES) this.lines.splice(0, KEPT_LINES);
  }
  historyHash(): string {
    return this.hash.copy().digest('hex');
  }
  private log(who: string): Log {
    const tell = (level: string) => (fields: object, message: string): void => {
      const plain = Object.entries(fields).map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`).join(' ');
      this.note(`${who} ${level} ${message} ${plain}`);
      if (level === 'error' && 'thread' in fields) this.alarmed.add(String(fields.thread) as ThreadId);
    };
    return { info: tell('info'), warn: tell('warn'), error: tell('error'), fatal: tell('fatal') };
  }
}
