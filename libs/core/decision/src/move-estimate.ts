/** How long a move takes and how long it freezes the thread, learned from moves that were done. */
import type { DeviceId, DurationMs } from '@godwit/kernel';
import type { Board, DeviceState, ThreadState } from './board.js';
import type { MoveSample } from './snapshot.js';

export interface MoveEstimate {
  readonly totalMs: DurationMs;
  readonly freezeMs: DurationMs;
  /** Step of the grid at which the target has taken over. */
  readonly fromStep: number;
}

export type Nearness = 'same rack' | 'same subnet' | 'same pop' | 'another pop';
export interface Path {
  readonly nearness: Nearness;
  readonly latencyMs: DurationMs;
  readonly bytesPerSecond: number;
  readonly measured: boolean;
}

/** A thread that changes its memory faster than this share of the link never converges; the last delta is then most of its state. */
const CONVERGENCE_RATIO = 0.9;

export function pathBetween(board: Board, a: DeviceState, b: DeviceState): Path {
  const [x, y] = [a.view.spec.place, b.view.spec.place];
  const { assumedLinks } = board.limits;
  const [nearness, assumed] =
    x.pop !== y.pop ? (['another pop', assumedLinks.far] as const)
      : x.rack === y.rack ? (['same rack', assumedLinks.sameRack] as const)
        : x.subnet === y.subnet ? (['same subnet', assumedLinks.sameSubnet] as const)
          : (['same pop', assumedLinks.samePop] as const);
  const link = board.link(a.id, b.id);
  return { nearness, latencyMs: (link ?? assumed).latencyMs, bytesPerSecond: Math.max(1, (link ?? assumed).bytesPerSecond), measured: link !== undefined };
}

function median(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}

/**
 * Time = a fixed part + bytes / bandwidth. The fixed parts are the medians of what done moves of this runtime took beyond
 * their bytes; the limits' figures before there was one.
 */
export function estimateMove(board: Board, thread: ThreadState, source: DeviceState | undefined, target: DeviceState): MoveEstimate {
  if (source === undefined) return { totalMs: 0, freezeMs: 0, fromStep: 0 };
  const { limits } = board;
  const { bytesPerSecond } = pathBetween(board, source, target);
  const copyMs = (bytes: number): number => (bytes * 1_000) / bytesPerSecond;
  const live = limits.copyMode === 'live';
  const { stateBytes, dirtyBytesPerSecond, spec } = thread.view;
  const ratio = Math.min(CONVERGENCE_RATIO, dirtyBytesPerSecond / bytesPerSecond);
  const lastDelta = (bytes: number): number => (live ? bytes * ratio : bytes);
  const key = `${spec.runtime} ${bytesPerSecond}`;
  const done = (): readonly MoveSample[] => board.history.filter((m) => m.runtime === spec.runtime);
  const fixedMs = board.learned(`total ${key}`, () => median(done().map((m) => Math.max(0, m.totalMs - copyMs(m.stateBytes)))) ?? limits.moveFixedMs);
  const freezeFixedMs = board.learned(`freeze ${key}`, () =>
    median(done().map((m) => (live ? m.freezeMs : Math.max(0, m.freezeMs - copyMs(m.stateBytes))))) ?? limits.freezeFixedMs);
  // Live rounds form a geometric series: each copies what the one before left dirty.
  const totalMs = fixedMs + copyMs(live ? stateBytes / (1 - ratio) : stateBytes);
  return { totalMs, freezeMs: Math.min(totalMs, freezeFixedMs + copyMs(lastDelta(stateBytes))), fromStep: board.stepAfter(totalMs) };
}

/** Bytes per second that the thread exchanges with threads on other devices, were it on `device`. */
export function remoteTraffic(board: Board, thread: ThreadState, device: DeviceId): number {
  return board.neighboursOf(thread.id).reduce((sum, { other, bytesPerSecond }) => {
    const at = board.threads.get(other)?.device;
    return at === undefined || at === device ? sum : sum + bytesPerSecond;
  }, 0);
}
