/** What can go wrong, each with what ends it. Every kind counts how often it was fired. */
import type { World } from './world.js';

export type FaultKind =
  | 'crash-agent' | 'pause-agent' | 'kill-runner' | 'clock-jump' | 'crash-controller' | 'second-controller' | 'pause-controller' | 'crash-broker' | 'power-cut' | 'broker-went-back'
  | 'cut-device' | 'cut-device-one-way' | 'cut-devices' | 'cut-controller' | 'storm' | 'crash-store' | 'lose-checkpoint' | 'damage-checkpoint' | 'flush-store' | 'spoil-transfers' | 'crash-gateway';

const SECOND_MS = 1_000;

type Strike = (world: World) => void;

/** In a window of this length, ms. */
const during = (world: World, lowMs: number, highMs: number, end: () => void): void => void world.loop.after(world.dice.between(lowMs, highMs), end);

const FAULTS: Readonly<Record<FaultKind, Strike>> = {
  'crash-agent': (world) => {
    const device = world.dice.pick(world.devices);
    if (!device.proc.alive) return;
    device.crash();
    during(world, 100, 9 * SECOND_MS, () => { if (!device.proc.alive) device.boot(); });
  },
  'pause-agent': (world) => {
    const device = world.dice.pick(world.devices);
    // A frozen machine, or the agent's process alone.
    const runners = world.dice.chance(0.7) ? [...device.runners] : [];
    for (const { proc } of [device, ...runners]) proc.pause();
    during(world, 500, 12 * SECOND_MS, () => {
      device.proc.wake();
      for (const runner of runners) runner.wake();
    });
  },
  'kill-runner': (world) => {
    const runners = world.devices.flatMap(({ runners: own }) => own.filter(({ proc }) => proc.alive));
    if (runners.length > 0) world.dice.pick(runners).die();
  },
  'clock-jump': (world) => {
    const proc = world.dice.pick([...world.devices.map((device) => device.proc), ...world.controllers.map((controller) => controller.proc)]);
    proc.skewMs += world.dice.pick([-3_600_000, -30_000, 30_000, 3_600_000]);
  },
  'crash-controller': (world) => {
    const controller = world.controllers[0]!;
    if (!controller.proc.alive) return;
    controller.crash();
    during(world, 100, 6 * SECOND_MS, () => { if (!controller.proc.alive) controller.boot(); });
  },
  'second-controller': (world) => {
    const second = world.controllers[1]!;
    if (second.proc.alive) return;
    second.boot();
    during(world, 2 * SECOND_MS, 12 * SECOND_MS, () => second.crash());
  },
  'pause-controller': (world) => {
    const { proc } = world.controllers[0]!;
    proc.pause();
    during(world, 500, 10 * SECOND_MS, () => proc.wake());
  },
  'crash-broker': (world) => {
    if (!world.broker.proc.alive) return;
    world.broker.crash();
    during(world, 100, 3 * SECOND_MS, () => world.brokerBack());
  },
  'power-cut': (world) => {
    if (!world.broker.proc.alive) return;
    const lost = world.broker.cutPower();
    if (lost > 0) world.lost(world.broker.lastSeq);
    during(world, 200, 3 * SECOND_MS, () => world.brokerBack());
  },
  'broker-went-back': (world) => {
    if (!world.broker.proc.alive || world.wentBack) return;
    world.broker.crash();
    world.goBack(Math.max(1, world.broker.lastSeq - world.dice.whole(1, 40)));
    during(world, 200, 2 * SECOND_MS, () => world.brokerBack());
  },
  'cut-device': (world) => {
    const { name } = world.dice.pick(world.devices).proc;
    const cut = [[name, 'broker'], ['broker', name]] as const;
    for (const [from, to] of cut) world.net.block(from, to);
    during(world, 300, 12 * SECOND_MS, () => { for (const [from, to] of cut) world.net.unblock(from, to); world.reconnected(name); });
  },
  'cut-device-one-way': (world) => {
    const { name } = world.dice.pick(world.devices).proc;
    const [from, to] = world.dice.chance(0.5) ? [name, 'broker'] : ['broker', name];
    world.net.block(from, to);
    during(world, 300, 12 * SECOND_MS, () => { world.net.unblock(from, to); world.reconnected(name); });
  },
  'cut-devices': (world) => {
    const [a, b] = [world.dice.pick(world.devices).proc.name, world.dice.pick(world.devices).proc.name];
    world.net.block(a, b);
    during(world, 500, 10 * SECOND_MS, () => world.net.unblock(a, b));
  },
  'cut-controller': (world) => {
    const { name } = world.controllers[0]!.proc;
    for (const [from, to] of [[name, 'broker'], ['broker', name]] as const) world.net.block(from, to);
    during(world, 300, 8 * SECOND_MS, () => { world.net.unblock(name, 'broker'); world.net.unblock('broker', name); });
  },
  storm: (world) => {
    const { dice, net } = world;
    net.weather = { drop: dice.pick([0, 0.02, 0.2]), duplicate: dice.pick([0, 0.05, 0.3]), slow: dice.pick([0, 0.05, 0.3]), slowMs: dice.pick([20, 500, 4_000]) };
    during(world, SECOND_MS, 8 * SECOND_MS, () => { net.weather = { drop: 0, duplicate: 0, slow: 0, slowMs: 0 }; });
  },
  'crash-store': (world) => {
    const { proc } = world.store;
    proc.crash();
    during(world, 200, 5 * SECOND_MS, () => proc.start());
  },
  'lose-checkpoint': (world) => {
    const newest = world.newestCheckpoint();
    if (!newest) return;
    world.store.lose(newest);
    world.noteLost(newest);
  },
  'damage-checkpoint': (world) => {
    const newest = world.newestCheckpoint();
    if (!newest) return;
    world.store.damage(newest);
    world.noteLost(newest);
  },
  'flush-store': (world) => {
    world.store.flush();
    world.flushed = true;
  },
  'spoil-transfers': (world) => {
    world.spoilRatio = world.dice.pick([0.3, 1]);
    during(world, 2 * SECOND_MS, 10 * SECOND_MS, () => { world.spoilRatio = 0; });
  },
  'crash-gateway': (world) => {
    if (!world.gateway.proc.alive) return;
    world.gateway.crash();
    during(world, 100, 3 * SECOND_MS, () => { if (!world.gateway.proc.alive) world.gateway.boot(); });
  },
};
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];
/** Kinds after which a thread may rightly stay stopped. */
export const RARE: readonly FaultKind[] = ['broker-went-back', 'flush-store'];

export function strike(world: World, kind: FaultKind): void {
  world.note(`fault ${kind}`);
  world.fired.set(kind, (world.fired.get(kind) ?? 0) + 1);
  FAULTS[kind](world);
}
