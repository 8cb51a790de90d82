/** Nearness to the source (the copy) and to the threads that it talks to (every message afterwards). */
import { pathBetween, remoteTraffic } from '../move-estimate.js';
import type { Board, DeviceState } from '../board.js';
import { unit, type ScorePlugin } from './score.js';

/** Latency at which nearness is worth half. */
const HALF_LATENCY_MS = 1;
const nearness = (board: Board, a: DeviceState, b: DeviceState): number => (a === b ? 1 : HALF_LATENCY_MS / (HALF_LATENCY_MS + pathBetween(board, a, b).latencyMs));

export const proximity: ScorePlugin = {
  name: 'proximity', doc: 'Near the source, and near the threads it exchanges messages with (by bytes) or is declared to want near.',
  score(board, { thread, source, target }) {
    const parts: number[] = [];
    if (source !== undefined) parts.push(nearness(board, source, target));
    const neighbours = board.neighboursOf(thread.id).filter((n) => n.bytesPerSecond > 0 && board.threads.get(n.other)?.device !== undefined);
    const bytes = neighbours.reduce((sum, n) => sum + n.bytesPerSecond, 0);
    if (bytes > 0) {
      const local = 1 - remoteTraffic(board, thread, target.id) / bytes;
      const near = neighbours.reduce((sum, n) => sum + n.bytesPerSecond * reach(board, n.other, target), 0) / bytes;
      parts.push(Math.max(local, near));
    }
    const wanted = thread.view.spec.affinity.nearThreads;
    if (wanted.length > 0) parts.push(wanted.filter((t) => target.threads.has(t)).length / wanted.length);
    return parts.length === 0 ? 1 : unit(parts.reduce((sum, p) => sum + p, 0) / parts.length);
  },
};

function reach(board: Board, thread: Parameters<Board['neighboursOf']>[0], target: DeviceState): number {
  const at = board.threads.get(thread)?.device;
  const device = at === undefined ? undefined : board.devices.get(at);
  return device === undefined ? 0 : nearness(board, device, target);
}
