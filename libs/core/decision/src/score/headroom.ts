import { unit, type ScorePlugin } from './score.js';

export const headroom: ScorePlugin = {
  name: 'headroom', doc: 'Share of the target’s capacity that stays free at the quantile with the thread on it, at the worst step.',
  score(board, { thread, target, estimate }) {
    const left = target.load.headroom(board.deviations, { demand: thread.demand, sign: 1, fromStep: estimate.fromStep }, estimate.fromStep);
    return left === Infinity ? 1 : unit(left / target.view.enforcedCores);
  },
};
