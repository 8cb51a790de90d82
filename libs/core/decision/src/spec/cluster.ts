/** Clusters for specs and the bench: everything has a harmless default, a spec names what it is about. */
import type { DeviceId, IdSource, ShardId, Sha256, ThreadId, ApplicationId } from '@godwit/kernel';
import type { DeviceSpec, ThreadSpec } from '@godwit/registry';
import type { ClusterSnapshot, DemandPath, DeviceView, ThreadView } from '../index.js';

export const NOW_MS = 1_000_000;
export const HORIZON_MS = 60_000;
const STEPS = 60;
const MIB = 1_048_576;

export const deviceId = (id: string): DeviceId => id as DeviceId;
export const threadId = (id: string): ThreadId => id as ThreadId;

/** Demand by step (0 is now), with a spread of ± `spread` around the median. */
export const path = (coresAt: number | ((second: number) => number), spread = 0.02, issuedAtMs = NOW_MS): DemandPath => {
  const p50 = Array.from({ length: STEPS }, (_, k) => (typeof coresAt === 'number' ? coresAt : coresAt(k)));
  return { issuedAtMs, stepMs: 1_000, p50, p10: p50.map((v) => Math.max(0, v - spread)), p90: p50.map((v) => v + spread) };
};

/** Rises from `before` to `after` at second `at`. */
export const stepUp = (before: number, after: number, at: number) => (second: number): number => (second < at ? before : after);

export interface DeviceWish extends Partial<Omit<DeviceView, 'spec'>> { readonly spec?: Partial<DeviceSpec> }
export const device = (id: string, cores: number, wish: DeviceWish = {}): DeviceView => ({
  alive: true, draining: false, enforcedCores: cores, usedCores: 0, baseDemand: path(0, 0), memoryUsedBytes: 0, failureProbability: 0, reservations: [], maintenance: [],
  ...wish,
  spec: {
    device: deviceId(id), kind: 'cpu', cpuCores: Number.isFinite(cores) ? cores : 1e9, memoryBytes: 4_096 * MIB, place: { pop: 'p1', rack: 'r1', subnet: 's1' }, pricePerHour: 0.1,
    idleWatts: 10, busyWatts: 20, numaNodes: 1, runtimes: ['wasm', 'task'], labels: {}, ...wish.spec,
  },
});

export interface ThreadWish extends Partial<Omit<ThreadView, 'spec'>> { readonly spec?: Partial<ThreadSpec> }
export const thread = (id: string, on: string | undefined, demand: DemandPath, wish: ThreadWish = {}): ThreadView => ({
  goals: {}, epoch: 1, demand, demandNowCores: demand.p50[0] ?? 0, backlogRecords: 0, stateBytes: 8 * MIB, dirtyBytesPerSecond: 0, moving: false, movesInWindow: 0, lastMoves: [],
  ...(on === undefined ? {} : { device: deviceId(on) }),
  ...wish,
  spec: {
    thread: threadId(id), application: 'app' as ApplicationId, shard: 's' as ShardId, runtime: 'wasm', program: 'a'.repeat(64) as Sha256, args: [], env: {}, seed: 1, subscribes: [],
    deterministic: true, tickMs: 0, checkpointMs: 5_000,
    limits: { memoryBytes: 64 * MIB, stackBytes: MIB, tableEntries: 1_000, safepointMs: 100, cpuCores: 1 }, goals: {},
    affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false }, expectedCores: 0.1, ...wish.spec,
  },
});

export const cluster = (devices: readonly DeviceView[], threads: readonly ThreadView[], wish: Partial<ClusterSnapshot> = {}): ClusterSnapshot => ({
  nowMs: NOW_MS, horizonMs: HORIZON_MS, devices, threads, traffic: [], links: [], moveHistory: [], movesInFlight: [], settled: { helped: 0, useless: 0, harmful: 0 }, ...wish,
});

export function ids(): IdSource {
  let n = 0;
  return { next: (prefix) => `${prefix}-${++n}` };
}

/** Freezes everything that can be reached; a write then throws, since modules are strict. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
