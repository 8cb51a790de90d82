/** How each fault is made and taken back. What a fault takes away for a while stays away until the thread has a new owner. */
import type { ThreadAddress } from '@godwit/journal';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultName } from './matrix.js';
import type { Cut } from './network.js';
import { agentOf, type Rig } from './rig.js';
import { until, within } from './until.js';

const HOUR_MS = 3_600_000;
/** Longer than the lease of a device and the look for it. */
const AWAY_MS = 12_000;
/** The least that a device stays away, and that a full disk or a wrong clock lasts. */
const IDLE_AWAY_MS = 2_000;
const RUNNER_MS = 5_000;

export interface Move {
  readonly at: ThreadAddress;
  readonly source: string;
  readonly target: string;
  /** Of the owner before the move. */
  readonly epoch: number;
  /** From the seed: what goes away comes back at once, instead of after the take-over. */
  readonly briefly: boolean;
}

export interface Fault {
  /** Resolves when it is made. */
  make(): Promise<void>;
  /** Waits as long as it is to last, takes it back, and resolves when that is done. */
  heal(): Promise<void>;
}

export function faultOf(name: FaultName, rig: Rig, move: Move): Fault {
  const { source, target, briefly } = move;
  switch (name) {
    case 'source-agent': return agentDies(rig, source, move);
    case 'target-agent': return agentDies(rig, target, move);
    case 'source-runner': return once(() => killRunner(rig, source));
    case 'target-runner': return once(() => killRunner(rig, target));
    case 'controller': return once(async () => rig.local.kill('migration-controller', 'SIGKILL'));
    case 'gateway': case 'state-transfer': case 'forecaster': return once(async () => rig.local.kill(name, 'SIGKILL'));
    case 'nats': return { make: () => rig.broker.kill(), heal: async () => { await delay(briefly ? 0 : 1_000); await rig.broker.startAgain(); } };
    case 'power-cut': return once(() => rig.broker.powerCut());
    case 'redis': return once(() => rig.killRedis());
    case 'redis-emptied': return once(() => rig.emptyRedis());
    case 'zombie-source': return {
      make: async () => rig.local.kill(agentOf(source), 'SIGSTOP', { restart: false }),
      heal: async () => { await leftAlone(rig, source, move); rig.local.kill(agentOf(source), 'SIGCONT', { restart: false }); },
    };
    case 'source-deaf': return cutOff(rig, source, 'in', move);
    case 'source-mute': return cutOff(rig, source, 'out', move);
    case 'source-cut-off': return cutOff(rig, source, 'both', move);
    case 'target-deaf': return cutOff(rig, target, 'in', move);
    case 'target-mute': return cutOff(rig, target, 'out', move);
    case 'target-cut-off': return cutOff(rig, target, 'both', move);
    case 'source-disk-full': return { make: () => rig.fillDisk(source), heal: async () => { await delay(IDLE_AWAY_MS); await rig.freeDisk(source); } };
    case 'target-disk-full': return { make: () => rig.fillDisk(target), heal: async () => { await delay(IDLE_AWAY_MS); await rig.freeDisk(target); } };
    case 'source-clock': return jump(rig, agentOf(source), briefly);
    case 'target-clock': return jump(rig, agentOf(target), briefly);
    case 'controller-clock': return jump(rig, 'migration-controller', briefly);
  }
}

/** Nothing has to be taken back: what died is started again by those that keep it alive. */
const once = (make: () => Promise<void>): Fault => ({ make, heal: async () => undefined });

function agentDies(rig: Rig, device: string, move: Move): Fault {
  return {
    make: async () => {
      const before = rig.pidOf(agentOf(device));
      rig.local.kill(agentOf(device), 'SIGKILL', { restart: move.briefly });
      await until(`death of the agent of ${device}`, RUNNER_MS, () => rig.local.services.every(({ name, pid }) => name !== agentOf(device) || pid !== before));
    },
    heal: async () => {
      if (move.briefly) return;
      await leftAlone(rig, device, move);
      await rig.local.restart(agentOf(device));
    },
  };
}

function cutOff(rig: Rig, device: string, way: Cut, move: Move): Fault {
  return {
    make: () => rig.options.network.cut(device, way, rig.broker.port),
    heal: async () => {
      await leftAlone(rig, device, move);
      await rig.options.network.mend(device);
    },
  };
}

function jump(rig: Rig, service: string, backwards: boolean): Fault {
  return {
    make: () => rig.shiftClock(service, backwards ? -HOUR_MS : HOUR_MS),
    heal: async () => { await delay(IDLE_AWAY_MS); await rig.shiftClock(service, 0); },
  };
}

/** Until it is decided that the thread belongs to another device, or no decision is to be expected any more. */
async function leftAlone(rig: Rig, device: string, { at, epoch }: Move): Promise<void> {
  await delay(IDLE_AWAY_MS);
  await within(AWAY_MS, async () => {
    const own = await rig.own(at);
    return own !== undefined && own.record.epoch > epoch && own.record.device !== device;
  });
}

/** The runner of the thread: the only one of the source; of the target the youngest, as soon as there is one. */
async function killRunner(rig: Rig, device: string): Promise<void> {
  const pid = await until(`a runner of ${device}`, RUNNER_MS, async () => (await rig.runnersOf(device)).at(-1));
  process.kill(pid, 'SIGKILL');
}
