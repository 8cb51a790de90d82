import { seconds } from '../reason.js';
import type { FilterPlugin } from './filter.js';

export const coolDown: FilterPlugin = {
  name: 'cool-down', doc: 'A thread that has just moved rests.', code: 'refused-by-policy', purposes: ['relieve'],
  refuse(board, { thread }) {
    const { lastMovedAtMs } = thread.view;
    if (lastMovedAtMs === undefined) return undefined;
    const restMs = lastMovedAtMs + board.limits.coolDownMs - board.snapshot.nowMs;
    return restMs > 0 ? `${thread.id} was moved a moment ago and rests for ${seconds(restMs)} more` : undefined;
  },
};
