import type { CostPlugin } from './cost.js';

export const transfer: CostPlugin = {
  name: 'transfer', doc: 'CPU of both ends while the state is copied.',
  coreSeconds: (board, { estimate }) => (estimate.totalMs / 1_000) * board.limits.copyCores,
};
