import type { FilterPlugin } from './filter.js';

export const pinned: FilterPlugin = {
  name: 'pinned', doc: 'A pinned thread is never moved; placing and restoring it is no move.', code: 'refused-by-policy', purposes: ['relieve', 'evacuate', 'manual'],
  refuse: (_board, { thread }) => (thread.view.spec.affinity.pinned ? `${thread.id} is pinned` : undefined),
};
