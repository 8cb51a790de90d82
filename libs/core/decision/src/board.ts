/**
 * The simulated cluster of one plan. Owns: sums of demand, memory and moves that the plan has already promised. It is built
 * from the snapshot and never writes to it; everything is sorted by id first, so that the order of the input means nothing.
 */
import { assert, type DeviceId, type InstantMs, type ThreadId } from '@godwit/kernel';
import { capped, flatDemand, gridOf, onGrid, type Demand, type Grid } from './demand-path.js';
import { DeviceLoad } from './device-load.js';
import type { PlanLimits } from './limits.js';
import { deviationsAt } from './normal.js';
import type { ClusterSnapshot, DeviceView, MoveSample, ThreadView } from './snapshot.js';

export interface ThreadState {
  readonly view: ThreadView;
  readonly id: ThreadId;
  /** Demand if nothing held it back. */
  readonly full: Demand;
  /** Demand under its throttle: what a device feels. */
  demand: Demand;
  device: DeviceId | undefined;
  /** Moved, placed or throttled by this plan, or moving already. */
  touched: boolean;
  /** Its forecast is too old to believe. */
  readonly stale: boolean;
}

export interface DeviceState {
  readonly view: DeviceView;
  readonly id: DeviceId;
  readonly load: DeviceLoad;
  readonly threads: Map<ThreadId, ThreadState>;
  memoryUsedBytes: number;
  /** Migrations from or to it, in flight and planned. */
  moves: number;
  /** The forecast of its own load, or of one of its threads, is too old. */
  stale: boolean;
}

const byId = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const pairKey = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** Reservations take their share, maintenance takes all, a dead device has nothing. */
function capacityOf(view: DeviceView, grid: Grid): Float64Array {
  return Float64Array.from({ length: grid.steps }, (_, k) => {
    const fromMs = grid.startMs + k * grid.stepMs;
    const meets = (interval: { fromMs: number; toMs: number }): boolean => interval.fromMs < fromMs + grid.stepMs && interval.toMs > fromMs;
    if (!view.alive || view.maintenance.some(meets)) return 0;
    return Math.max(0, view.enforcedCores - view.reservations.filter(meets).reduce((sum, r) => sum + r.cpuCores, 0));
  });
}

export class Board {
  readonly grid: Grid;
  readonly devices: ReadonlyMap<DeviceId, DeviceState>;
  readonly threads: ReadonlyMap<ThreadId, ThreadState>;
  /** Migrations in flight and planned. */
  moves: number;
  /** Deviations above the median at the trigger's quantile. */
  readonly deviations: number;
  readonly dearestPerHour: number;
  readonly mostWattsPerCore: number;
  private readonly links: ReadonlyMap<string, { latencyMs: number; bytesPerSecond: number }>;
  private readonly neighbours = new Map<ThreadId, { other: ThreadId; bytesPerSecond: number }[]>();
  readonly history: readonly MoveSample[];
  private readonly lessons = new Map<string, number>();
  /** Throttles of this plan. */
  throttles = 0;

  constructor(readonly snapshot: ClusterSnapshot, readonly limits: PlanLimits) {
    this.grid = gridOf(snapshot.nowMs, snapshot.horizonMs, limits.stepMs);
    this.deviations = deviationsAt(limits.triggerQuantile);
    this.devices = new Map([...snapshot.devices].sort((a, b) => byId(a.spec.device, b.spec.device)).map((view) => [view.spec.device, this.deviceState(view)]));
    this.threads = new Map([...snapshot.threads].sort((a, b) => byId(a.spec.thread, b.spec.thread)).map((view) => [view.spec.thread, this.threadState(view)]));
    this.moves = snapshot.movesInFlight.length;
    this.dearestPerHour = Math.max(0, ...snapshot.devices.map((d) => d.spec.pricePerHour));
    this.mostWattsPerCore = Math.max(0, ...snapshot.devices.map((d) => wattsPerCore(d)));
    this.links = new Map(snapshot.links.map((l) => [pairKey(l.a, l.b), l]));
    this.history = snapshot.moveHistory;
    this.learnTraffic();
    this.settleThreads();
  }

  device(id: DeviceId): DeviceState {
    const state = this.devices.get(id);
    assert(state !== undefined, `device ${id} is on the board`);
    return state;
  }

  link(a: DeviceId, b: DeviceId): { latencyMs: number; bytesPerSecond: number } | undefined {
    return this.links.get(pairKey(a, b));
  }

  /** Threads that exchange messages with this one, the order by id. */
  neighboursOf(thread: ThreadId): readonly { other: ThreadId; bytesPerSecond: number }[] {
    return this.neighbours.get(thread) ?? [];
  }

  /** Time until the next maintenance that touches the horizon, ms; 0 while one is under way. */
  maintenanceInMs(device: DeviceState): number | undefined {
    const { nowMs, horizonMs } = this.snapshot;
    const starts = device.view.maintenance.filter((m) => m.fromMs < nowMs + horizonMs && m.toMs > nowMs).map((m) => m.fromMs);
    return starts.length === 0 ? undefined : Math.max(0, Math.min(...starts) - nowMs);
  }

  /** Remembers what is learned from the history under a key: the same question comes for every candidate. */
  learned(key: string, learn: () => number): number {
    const known = this.lessons.get(key);
    if (known !== undefined) return known;
    const value = learn();
    this.lessons.set(key, value);
    return value;
  }

  /** Steps from now to the instant, rounded up, at most the horizon. */
  stepAfter(durationMs: number): number {
    return Math.min(this.grid.steps, Math.max(0, Math.ceil(durationMs / this.grid.stepMs)));
  }

  /** Counts a planned move: the thread leaves its source at `fromStep` and is reckoned with at the target from then on. */
  promiseMove(thread: ThreadState, target: DeviceState, fromStep: number): void {
    const source = thread.device === undefined ? undefined : this.devices.get(thread.device);
    if (source !== undefined) {
      source.load.apply({ demand: thread.demand, sign: -1, fromStep });
      source.threads.delete(thread.id);
      source.moves++;
      this.moves++;
      target.moves++;
    }
    target.load.apply({ demand: thread.demand, sign: 1, fromStep });
    target.threads.set(thread.id, thread);
    target.memoryUsedBytes += thread.view.spec.limits.memoryBytes;
    thread.device = target.id;
    thread.touched = true;
  }

  /** Counts a throttle, or its end when `cores` is undefined. */
  promiseThrottle(thread: ThreadState, cores: number | undefined): void {
    assert(thread.device !== undefined, 'only a thread with an owner is throttled');
    const { load } = this.device(thread.device);
    if (cores !== undefined) this.throttles++;
    load.apply({ demand: thread.demand, sign: -1, fromStep: 0 });
    thread.demand = cores === undefined ? thread.full : capped(thread.full, cores);
    load.apply({ demand: thread.demand, sign: 1, fromStep: 0 });
    thread.touched = true;
  }

  private isStale(issuedAtMs: InstantMs): boolean {
    return this.snapshot.nowMs - issuedAtMs > this.limits.forecastAgeMs;
  }

  private deviceState(view: DeviceView): DeviceState {
    const { limits, grid } = this;
    const stepsPerBlock = Math.max(1, Math.round(limits.errorPersistenceMs / grid.stepMs));
    const load = new DeviceLoad(grid, capacityOf(view, grid), limits.demandCorrelation, stepsPerBlock);
    const stale = view.baseDemand.p50.length === 0 || this.isStale(view.baseDemand.issuedAtMs);
    const lastKnown = view.baseDemand.p50.at(-1) ?? 0;
    load.apply({ demand: stale ? flatDemand(lastKnown, limits.staleSpreadRatio, grid) : onGrid(view.baseDemand, grid), sign: 1, fromStep: 0 });
    return { view, id: view.spec.device, load, threads: new Map(), memoryUsedBytes: view.memoryUsedBytes, moves: 0, stale };
  }

  private threadState(view: ThreadView): ThreadState {
    const { limits, grid } = this;
    const unknown = view.demand.p50.length === 0;
    const stale = !unknown && this.isStale(view.demand.issuedAtMs);
    const nowCores = unknown && view.device === undefined ? view.spec.expectedCores : view.demandNowCores;
    const full = unknown || stale ? flatDemand(nowCores, limits.staleSpreadRatio, grid) : onGrid(view.demand, grid);
    const demand = view.throttledToCores === undefined ? full : capped(full, view.throttledToCores);
    return { view, id: view.spec.thread, full, demand, device: view.device, touched: view.moving, stale };
  }

  private learnTraffic(): void {
    for (const { a, b, bytesPerSecond } of this.snapshot.traffic) {
      for (const [one, other] of [[a, b], [b, a]] as const) {
        const list = this.neighbours.get(one) ?? [];
        list.push({ other, bytesPerSecond });
        this.neighbours.set(one, list);
      }
    }
    for (const list of this.neighbours.values()) list.sort((x, y) => byId(x.other, y.other) || x.bytesPerSecond - y.bytesPerSecond);
  }

  /** Each thread weighs on its device; one that is moving weighs on the source until it is done, and on the target for the whole horizon. */
  private settleThreads(): void {
    const inFlight = new Map(this.snapshot.movesInFlight.map((m) => [m.thread, m]));
    for (const thread of this.threads.values()) {
      const home = thread.device === undefined ? undefined : this.devices.get(thread.device);
      if (home !== undefined) {
        home.load.apply({ demand: thread.demand, sign: 1, fromStep: 0 });
        home.threads.set(thread.id, thread);
        home.stale ||= thread.stale;
      }
      const move = inFlight.get(thread.id);
      if (move !== undefined) this.reckonWith(thread, move.source, move.target, move.expectedDoneAtMs, home);
    }
  }

  private reckonWith(thread: ThreadState, source: DeviceId, target: DeviceId, doneAtMs: InstantMs, home: DeviceState | undefined): void {
    thread.touched = true;
    const fromStep = this.stepAfter(doneAtMs - this.snapshot.nowMs);
    const from = this.devices.get(source);
    const to = this.devices.get(target);
    if (from !== undefined) from.moves++;
    if (to !== undefined) to.moves++;
    if (home !== undefined && home === from) from.load.apply({ demand: thread.demand, sign: -1, fromStep });
    if (to !== undefined && to !== home) {
      to.load.apply({ demand: thread.demand, sign: 1, fromStep: 0 });
      to.memoryUsedBytes += thread.view.spec.limits.memoryBytes;
    }
  }
}

/** Watts that one more busy core draws. */
export const wattsPerCore = (view: DeviceView): number => Math.max(0, view.spec.busyWatts - view.spec.idleWatts) / view.spec.cpuCores;
