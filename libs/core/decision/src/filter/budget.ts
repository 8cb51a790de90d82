import type { FilterPlugin } from './filter.js';

export const budget: FilterPlugin = {
  name: 'budget', doc: 'Moves at once in the cluster and on one device, moves of one thread in its window.', code: 'refused-by-policy',
  purposes: ['relieve', 'evacuate', 'manual'],
  refuse(board, { thread, source, target, purpose }) {
    const { movesAtOnce, movesPerDevice, movesPerWindow, budgetWindowMs } = board.limits;
    if (board.moves >= movesAtOnce) return `${board.moves} of ${movesAtOnce} moves are under way`;
    for (const device of source === undefined ? [target] : [source, target]) {
      if (device.moves >= movesPerDevice) return `${device.id} takes part in ${device.moves} of ${movesPerDevice} moves already`;
    }
    if (purpose === 'relieve' && thread.view.movesInWindow >= movesPerWindow) {
      return `${thread.id} was moved ${thread.view.movesInWindow} times in ${Math.round(budgetWindowMs / 60_000)} minutes, its budget`;
    }
    return undefined;
  },
};
