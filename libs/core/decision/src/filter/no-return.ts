import { seconds } from '../reason.js';
import type { FilterPlugin } from './filter.js';

export const noReturn: FilterPlugin = {
  name: 'no-return', doc: 'No A→B→A: a thread does not go back within the horizon to where it came from.', code: 'refused-by-policy', purposes: ['relieve', 'manual'],
  refuse(board, { thread, target }) {
    const { nowMs, horizonMs } = board.snapshot;
    const leftAtMs = Math.max(-Infinity, ...thread.view.lastMoves.filter((m) => m.from === target.id).map((m) => m.atMs));
    if (nowMs - leftAtMs >= horizonMs) return undefined;
    return `${thread.id} left ${target.id} ${seconds(nowMs - leftAtMs)} ago; it may not go back within ${seconds(horizonMs)}`;
  },
};
