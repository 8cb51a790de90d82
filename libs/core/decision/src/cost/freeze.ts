import type { CostPlugin } from './cost.js';

export const freeze: CostPlugin = {
  name: 'freeze', doc: 'Work that piles up while the thread is frozen: freeze × its demand now.',
  coreSeconds: (_board, { thread, estimate }) => (estimate.freezeMs / 1_000) * (thread.demand.median[0] ?? 0),
};
