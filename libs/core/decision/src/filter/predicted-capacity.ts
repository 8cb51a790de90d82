import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

export const predictedCapacity: FilterPlugin = {
  name: 'predicted-capacity', doc: 'With the thread, the target stays within its capacity over the horizon at no more than the permitted risk.',
  code: 'no-capacity', purposes: EVERY_PURPOSE,
  refuse(board, { thread, target, estimate }) {
    // A move that ends past the horizon is judged by the last step: nothing later is known.
    const fromStep = Math.min(estimate.fromStep, board.grid.steps - 1);
    const risk = target.load.risk({ demand: thread.demand, sign: 1, fromStep }, fromStep);
    const { targetRisk } = board.limits;
    return risk > targetRisk ? `${target.id} would itself run out of capacity with ${thread.id} (risk ${risk.toFixed(2)}, at most ${targetRisk})` : undefined;
  },
};
