import type { FilterPlugin } from './filter.js';

export const staleForecast: FilterPlugin = {
  name: 'stale-forecast', doc: 'No move for gain rests on a forecast of the thread or the target that is too old.', code: 'refused-by-policy', purposes: ['relieve'],
  refuse(board, { thread, target }) {
    const ageS = Math.round(board.limits.forecastAgeMs / 1_000);
    if (thread.stale) return `the forecast of ${thread.id} is older than ${ageS} s`;
    return target.stale ? `a forecast for ${target.id} is older than ${ageS} s` : undefined;
  },
};
