/**
 * Demand, not usage. Where capacity is enforced, usage never passes it, so a forecast of usage can never foresee an overload:
 * the signal is censored exactly where it matters. Demand is what would be used if nothing held it back.
 *
 * 1. A thread with a known backlog: usage + growth of the backlog × cost of a record + the backlog itself, spread over the time
 *    in which it should be worked off. The cost of a record is learnt from what the thread used and consumed.
 * 2. A thread without: usage ÷ share of the time in which it was not held, at most what one thread can use.
 * 3. A device: its usage, plus what its threads would use beyond theirs, but at least its usage plus the waiting seen by PSI.
 * Demand is never below usage minus what a shrinking backlog explains, and never negative.
 */
import type { DurationMs, InstantMs } from '@godwit/kernel';
import type { Reading } from '@godwit/telemetry';

/** What is read of a thread. Absent: not known now, which is never the same as zero. */
export interface ThreadLoad {
  /** CPU time used per second, cores. */
  readonly usageCores: number;
  /** Share of the time in which the thread was held by an enforced limit, 0..1. */
  readonly throttledRatio?: number;
  readonly arrivedPerSecond?: number;
  readonly consumedPerSecond?: number;
  readonly backlogRecords?: number;
}

/** What has been learnt of a thread; `freshThreadDemand` to begin with, then what the last call returned. */
export interface ThreadDemandState {
  /** Discounted core-seconds and records, whose ratio is the cost of a record. */
  readonly coreSeconds: number;
  readonly records: number;
  /** Smoothed growth of the backlog, records per second; null until known. */
  readonly growthPerSecond: number | null;
  readonly backlogRecords: number | null;
  readonly atMs: InstantMs | null;
}

export const freshThreadDemand: ThreadDemandState = {
  coreSeconds: 0, records: 0, growthPerSecond: null, backlogRecords: null, atMs: null,
};

export interface DemandLimits {
  /** Cores that one thread can use at most when nothing holds it: 1 for a single-threaded program. */
  readonly maxCores: number;
  /** Time in which a backlog should be worked off: its work counts as demand, spread over so long. */
  readonly drainMs: DurationMs;
}

export const DEMAND_LIMITS: DemandLimits = { maxCores: 1, drainMs: 60_000 };

export interface ThreadDemand {
  readonly state: ThreadDemandState;
  readonly demandCores: number;
  /** Learnt cost of one record, core-seconds; null while nothing was consumed. */
  readonly coreSecondsPerRecord: number | null;
}

/** Time over which the cost of a record is learnt. */
const COST_MS = 30_000;
/** Time over which the growth of the backlog is smoothed: readings of a backlog are coarse. */
const GROWTH_MS = 2_000;
/** A thread held for longer than this share tells little about what it would use; the estimate stops here. */
const MOST_HELD_RATIO = 0.95;

/** Demand of a thread from one reading of it. A reading that is not finite is treated as absent, one out of order is not learnt from. */
export function threadDemand(
  state: ThreadDemandState, load: ThreadLoad, atMs: InstantMs, limits: DemandLimits = DEMAND_LIMITS,
): ThreadDemand {
  const usageCores = positive(load.usageCores) ?? 0;
  const elapsedMs = state.atMs === null ? null : atMs - state.atMs;
  const next = elapsedMs !== null && !(elapsedMs > 0) ? state : learn(state, load, usageCores, elapsedMs, atMs);
  const cost = next.records >= LEAST_RECORDS ? next.coreSeconds / next.records : null;

  const heldRatio = Math.min(MOST_HELD_RATIO, positive(load.throttledRatio) ?? 0);
  const unheldCores = Math.max(usageCores, Math.min(limits.maxCores, usageCores / (1 - heldRatio)));
  if (cost === null || next.growthPerSecond === null) {
    return { state: next, demandCores: unheldCores, coreSecondsPerRecord: cost };
  }
  const growthCores = next.growthPerSecond * cost;
  const drainCores = ((next.backlogRecords ?? 0) * cost * 1_000) / limits.drainMs;
  return { state: next, demandCores: Math.min(MOST, Math.max(0, usageCores + growthCores + drainCores)), coreSecondsPerRecord: cost };
}

function learn(
  state: ThreadDemandState, load: ThreadLoad, usageCores: number, elapsedMs: number | null, atMs: InstantMs,
): ThreadDemandState {
  const consumed = positive(load.consumedPerSecond);
  const arrived = positive(load.arrivedPerSecond);
  const backlogRecords = positive(load.backlogRecords) ?? null;
  const seconds = Math.min(elapsedMs ?? 0, COST_MS) / 1_000;
  const keep = Math.exp(-(elapsedMs ?? 0) / COST_MS);
  const learnsCost = consumed !== undefined && seconds > 0;

  let growth: number | undefined;
  if (arrived !== undefined && consumed !== undefined) growth = arrived - consumed;
  else if (backlogRecords !== null && state.backlogRecords !== null && elapsedMs !== null) {
    growth = ((backlogRecords - state.backlogRecords) * 1_000) / elapsedMs;
  }
  const follow = elapsedMs === null || state.growthPerSecond === null ? 1 : 1 - Math.exp(-elapsedMs / GROWTH_MS);
  return {
    coreSeconds: learnsCost ? state.coreSeconds * keep + usageCores * seconds : state.coreSeconds,
    records: learnsCost ? state.records * keep + consumed * seconds : state.records,
    growthPerSecond: growth === undefined ? state.growthPerSecond : (state.growthPerSecond ?? 0) + follow * (growth - (state.growthPerSecond ?? 0)),
    backlogRecords,
    atMs,
  };
}

/** Readings beyond it are taken for it: products of such numbers stay finite. */
const MOST = 1e12;
/** Fewer records consumed than this tell no cost. */
const LEAST_RECORDS = 1e-3;

const positive = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) ? Math.min(MOST, Math.max(0, value)) : undefined;

/** What is read of a device. */
export interface DeviceLoad {
  readonly usageCores: number;
  /** Share of the time in which some task waited for CPU, 0..1. */
  readonly pressureRatio?: number;
}

export interface DeviceDemand {
  readonly demandCores: number;
  /** What the device uses besides its threads, cores. */
  readonly baseCores: number;
}

/** Demand of a device from one reading of it and of each of its threads. */
export function deviceDemand(
  device: DeviceLoad, threads: readonly { readonly usageCores: number; readonly demandCores: number }[],
): DeviceDemand {
  const usageCores = positive(device.usageCores) ?? 0;
  let threadUsage = 0;
  let threadDemands = 0;
  for (const thread of threads) {
    threadUsage += positive(thread.usageCores) ?? 0;
    threadDemands += positive(thread.demandCores) ?? 0;
  }
  const baseCores = Math.max(0, usageCores - threadUsage);
  // "Some task waits" for a share p of the time means that at least p cores more would have been used.
  const waitingCores = Math.min(1, positive(device.pressureRatio) ?? 0);
  return { demandCores: Math.max(baseCores + threadDemands, usageCores + waitingCores), baseCores };
}

/** The load in a reading of `THREAD_METRICS`, or undefined when its usage was not read. */
export function threadLoadOf(reading: Reading): ThreadLoad | undefined {
  const usageCores = reading['cpu.cores'];
  if (usageCores === undefined) return undefined;
  return {
    usageCores,
    ...pick('throttledRatio', reading['cpu.throttled_ratio']),
    ...pick('arrivedPerSecond', reading['input.records_per_second']),
    ...pick('consumedPerSecond', reading['input.consumed_per_second']),
    ...pick('backlogRecords', reading['input.backlog_records']),
  };
}

/** The load in a reading of `DEVICE_METRICS`, or undefined when its usage was not read. */
export function deviceLoadOf(reading: Reading): DeviceLoad | undefined {
  const usageCores = reading['cpu.cores'];
  if (usageCores === undefined) return undefined;
  return { usageCores, ...pick('pressureRatio', reading['cpu.pressure_ratio']) };
}

const pick = <Key extends string>(key: Key, value: number | undefined): { [K in Key]?: number } =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: number };
