/**
 * One schedule: a seed becomes a cluster, a load and a list of faults; then everything heals, and the cluster must come to
 * rest with every thread alive and every migration ended.
 */
import { Xoshiro128 } from '@godwit/kernel';
import type { Bug } from './bugs.js';
import type { Violation } from './checks.js';
import { FAULT_KINDS, RARE, strike, type FaultKind } from './faults.js';
import { Dice } from './loop.js';
import { World } from './world.js';

/** Faults are fired until here; ms of virtual time. */
const CHAOS_MS = 40_000;
const FIRST_FAULT_MS = 2_500;
/** All must be well again so long after everything has healed: the longest timeouts of the protocol are a minute. */
const SETTLE_MS = 150_000;
const PROBE_MS = 2_000;

export interface SimOptions {
  readonly seed: number;
  readonly bug?: Bug;
  readonly verbose?: boolean;
}

export interface SimResult {
  readonly seed: number;
  readonly hash: string;
  readonly violation: Violation | undefined;
  /** The history, or its end. */
  readonly lines: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly events: number;
  readonly virtualMs: number;
  /** From the end of the faults until all was well. */
  readonly settledMs: number;
}

/** Which faults this schedule may have (a few kinds each, so that they come in numbers), and when they strike. */
function schedule(dice: Dice, bug: Bug | undefined): { readonly atMs: number; readonly kind: FaultKind }[] {
  const common = FAULT_KINDS.filter((kind) => !RARE.includes(kind));
  const kinds = bug?.faults.length ? [...bug.faults] : [];
  const most = dice.whole(1, 6);
  for (let i = 0; i < most; i++) kinds.push(dice.pick(common));
  const strikes = Array.from({ length: dice.whole(2, 14) + (bug?.faults.length ?? 0) * 2 }, (_, i) => ({ atMs: dice.between(FIRST_FAULT_MS, CHAOS_MS), kind: bug && i < bug.faults.length * 2 ? bug.faults[i % bug.faults.length]! : dice.pick(kinds) }));
  if (bug?.faults.some((kind) => RARE.includes(kind)) || !dice.chance(0.04)) return strikes;
  return [...strikes, { atMs: dice.between(CHAOS_MS / 2, CHAOS_MS), kind: dice.pick(RARE) }];
}

export async function simulate(options: SimOptions): Promise<SimResult> {
  const { seed, bug } = options;
  // Its own stream, so that what is drawn while running does not change what was planned.
  const plans = new Dice(Xoshiro128.seeded(seed ^ 0x5bd1e995));
  const world = new World({ seed, ...(bug ? { bug } : {}), liar: plans.chance(0.1) || bug?.name === 'accept-other-hash', oddClocks: plans.chance(0.2), verbose: options.verbose ?? false });
  const unhandled = (error: unknown): void => world.fail('I10', `a process of ours died of ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.on('unhandledRejection', unhandled);
  try {
    world.start();
    load(world, plans);
    for (const { atMs, kind } of schedule(plans, bug)) world.loop.at(atMs, () => strike(world, kind));
    await world.loop.run(CHAOS_MS, () => world.violation !== undefined);
    if (!world.violation) heal(world);
    const healedAtMs = world.loop.nowMs;
    if (!world.violation) await settle(world);
    await new Promise((resolve) => setImmediate(resolve)); // rejections nobody took come to light
    if (world.violation) world.note(`VIOLATION ${world.violation.message}`);
    return result(world, healedAtMs);
  } finally {
    process.off('unhandledRejection', unhandled);
    world.close();
  }
}

/** Inputs, repeated inputs and moves by command, all through the chaos. */
function load(world: World, plans: Dice): void {
  const everyMs = plans.pick([150, 400, 1_000]);
  let n = 0;
  for (let atMs = 500; atMs < CHAOS_MS; atMs += plans.between(0.3, 1.7) * everyMs) {
    const { thread } = plans.pick(world.truths).spec;
    world.loop.at(atMs, () => (world.dice.chance(0.05) ? world.gateway.again() : world.gateway.input(thread, `q${n++}`)));
  }
  const moveMs = plans.pick([1_500, 4_000, 10_000]);
  for (let atMs = 2_000; atMs < CHAOS_MS; atMs += plans.between(0.3, 1.7) * moveMs) {
    const { thread } = plans.pick(world.truths).spec;
    world.loop.at(atMs, () => world.controllers[0]!.move(thread, world.dice.pick(world.devices).device));
  }
}

/** Every fault ends. */
function heal(world: World): void {
  world.note('healed');
  world.net.heal();
  world.spoilRatio = 0;
  if (!world.store.proc.alive) world.store.proc.start();
  world.brokerBack();
  for (const device of world.devices) {
    if (!device.proc.alive) device.boot();
    device.proc.wake();
    for (const runner of device.runners) runner.wake();
    world.reconnected(device.device);
  }
  const [first, second] = world.controllers;
  if (!first!.proc.alive) first!.boot();
  first!.proc.wake();
  second!.crash();
  if (!world.gateway.proc.alive) world.gateway.boot();
}

/** I9: probes are answered and released, and no migration is open. */
async function settle(world: World): Promise<void> {
  const { loop, checks } = world;
  const deadlineMs = loop.nowMs + SETTLE_MS;
  let probes = 0;
  const probe = (): void => {
    for (const { spec } of world.truths) world.gateway.input(spec.thread, `probe-${probes}`);
    probes++;
    loop.after(PROBE_MS * 4, probe);
  };
  loop.after(PROBE_MS, probe);
  if (world.wentBack) {
    // A broker that lost what it had: everything stops, and nothing wrong is shown. That is all there is to see.
    await loop.run(loop.nowMs + 10_000, () => world.violation !== undefined);
    world.checkStopped();
    return;
  }
  const isWell = (): boolean => probes > 0 && world.truths.every((truth) => world.isAnswered(truth) || world.mayStandStill(truth)) && checks.unsettledOf(world.liveController()).length === 0 && checks.openIntents().length === 0;
  await loop.run(deadlineMs, () => world.violation !== undefined || isWell());
  if (world.violation) return;
  if (!isWell()) world.fail('I9', `${SETTLE_MS / 1000} s after the last fault: ${world.whatIsWrong()}`);
  else checks.atEnd();
}

function result(world: World, healedAtMs: number): SimResult {
  const { checks, gateway, net } = world;
  const refusedAppends = world.devices.reduce((sum, { agent }) => sum + (agent?.status().refusedAppends ?? 0), 0);
  return {
    seed: world.options.seed, hash: world.historyHash(), violation: world.violation, lines: world.lines, faults: Object.fromEntries(world.fired), events: world.loop.ran,
    counts: { ...checks.counts, ...gateway.counts, ...net.fired, purged: world.purger.purged, spoiled: world.spoiled, promoted: world.promoted, refusedAppends },
    virtualMs: world.loop.nowMs, settledMs: world.loop.nowMs - healedAtMs,
  };
}

