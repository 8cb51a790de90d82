/**
 * All that a plan may know: an immutable picture of the cluster that the controller fills from the registry, samples,
 * forecasts, the graph and the journal. Order of the lists carries no meaning.
 */
import type { DeviceId, DurationMs, InstantMs, ThreadId } from '@godwit/kernel';
import type { DeviceSpec, Goals, MaintenanceSpec, ReservationSpec, Runtime, ThreadSpec } from '@godwit/registry';
import type { DemandPath } from './demand-path.js';

export interface DeviceView {
  readonly spec: DeviceSpec;
  /** Its lease is held. */
  readonly alive: boolean;
  readonly draining: boolean;
  /** Capacity that the agent enforces now, cores. */
  readonly enforcedCores: number;
  /** CPU that is really used now, threads included, cores. */
  readonly usedCores: number;
  /** Demand beside Godwit's threads. */
  readonly baseDemand: DemandPath;
  readonly memoryUsedBytes: number;
  /** Probability that the device fails within the horizon, 0..1. */
  readonly failureProbability: number;
  readonly reservations: readonly Pick<ReservationSpec, 'cpuCores' | 'fromMs' | 'toMs'>[];
  readonly maintenance: readonly Pick<MaintenanceSpec, 'fromMs' | 'toMs'>[];
}

export interface PastMove {
  readonly from: DeviceId;
  readonly to: DeviceId;
  readonly atMs: InstantMs;
}

export interface ThreadView {
  readonly spec: ThreadSpec;
  /** Its goals, those of its application filled in. */
  readonly goals: Goals;
  /** Its owner; absent before it is placed. */
  readonly device?: DeviceId;
  readonly epoch: number;
  /** Demand if nothing held it back: a throttle is not taken off. */
  readonly demand: DemandPath;
  readonly demandNowCores: number;
  readonly latencyMsP99?: DurationMs;
  readonly backlogRecords: number;
  readonly stateBytes: number;
  readonly dirtyBytesPerSecond: number;
  /** A migration of it is under way, see `movesInFlight`. */
  readonly moving: boolean;
  readonly lastMovedAtMs?: InstantMs;
  /** Moves within `PlanLimits.budgetWindowMs`. */
  readonly movesInWindow: number;
  readonly lastMoves: readonly PastMove[];
  readonly throttledToCores?: number;
  /** When it was last throttled or unthrottled. */
  readonly lastThrottledAtMs?: InstantMs;
  /** When a `keep` was last recorded for it. */
  readonly lastKeptAtMs?: InstantMs;
}

/** Messages between two threads, either way, as the dependency graph learned them. */
export interface Traffic {
  readonly a: ThreadId;
  readonly b: ThreadId;
  readonly bytesPerSecond: number;
}

/** A measured link between two devices, either way. Without one, the places of the devices are used. */
export interface Link {
  readonly a: DeviceId;
  readonly b: DeviceId;
  readonly latencyMs: DurationMs;
  readonly bytesPerSecond: number;
}

/** A migration that was done: what the next will take is learned from these. */
export interface MoveSample {
  readonly runtime: Runtime;
  readonly stateBytes: number;
  readonly totalMs: DurationMs;
  readonly freezeMs: DurationMs;
}

export interface MoveInFlight {
  readonly thread: ThreadId;
  readonly source: DeviceId;
  readonly target: DeviceId;
  readonly expectedDoneAtMs: InstantMs;
}

/** Verdicts on settled migrations of the recent past. */
export interface SettledCounts {
  readonly helped: number;
  readonly useless: number;
  readonly harmful: number;
}

export interface ClusterSnapshot {
  readonly nowMs: InstantMs;
  readonly horizonMs: DurationMs;
  readonly devices: readonly DeviceView[];
  readonly threads: readonly ThreadView[];
  readonly traffic: readonly Traffic[];
  readonly links: readonly Link[];
  readonly moveHistory: readonly MoveSample[];
  readonly movesInFlight: readonly MoveInFlight[];
  readonly settled: SettledCounts;
}
