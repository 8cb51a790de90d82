import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

export const failing: FilterPlugin = {
  name: 'failing', doc: 'The target is not itself about to fail.', code: 'refused-by-policy', purposes: EVERY_PURPOSE,
  refuse(board, { target }) {
    const { failureProbability } = target.view;
    return failureProbability > board.limits.failureThreshold ? `${target.id} is likely to fail itself (${failureProbability.toFixed(2)})` : undefined;
  },
};
