import { peak } from '../demand-path.js';
import { unit, type ScorePlugin } from './score.js';

export const disruption: ScorePlugin = {
  name: 'disruption', doc: 'How little the threads that are there already feel of it: the thread’s peak demand against what the target has free, weighed with the number of threads with goals.',
  score(board, { thread, target, estimate }) {
    const guarded = [...target.threads.values()].filter((t) => t.view.goals.responseMsP99 !== undefined).length;
    if (guarded === 0) return 1;
    const free = target.load.headroom(board.deviations, undefined, Math.min(estimate.fromStep, board.grid.steps - 1));
    const taken = free === Infinity ? 0 : free > 0 ? peak(thread.demand.median) / free : 1;
    return unit(1 - taken * (guarded / (guarded + 1)));
  },
};
