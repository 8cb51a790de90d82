import { seconds } from '../reason.js';
import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

export const alive: FilterPlugin = {
  name: 'alive', doc: 'The target is alive, not draining, and has no maintenance within the horizon.', code: 'refused-by-policy', purposes: EVERY_PURPOSE,
  refuse(board, { target }) {
    const { view, id } = target;
    if (!view.alive) return `${id} does not answer`;
    if (view.draining) return `${id} is being drained`;
    const inMs = board.maintenanceInMs(target);
    if (inMs === undefined) return undefined;
    return inMs === 0 ? `${id} is in maintenance` : `${id} goes into maintenance in ${seconds(inMs)}`;
  },
};
