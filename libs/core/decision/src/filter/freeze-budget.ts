import type { FilterPlugin } from './filter.js';

export const freezeBudget: FilterPlugin = {
  name: 'freeze-budget', doc: 'The expected freeze is within the goal of the thread.', code: 'refused-by-policy', purposes: ['relieve'],
  refuse(_board, { thread, target, estimate }) {
    const { freezeBudgetMs } = thread.view.goals;
    if (freezeBudgetMs === undefined || estimate.freezeMs <= freezeBudgetMs) return undefined;
    return `moving ${thread.id} to ${target.id} would freeze it for ${Math.round(estimate.freezeMs)} ms, its budget is ${freezeBudgetMs} ms`;
  },
};
