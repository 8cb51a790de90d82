import { remoteTraffic } from '../move-estimate.js';
import type { CostPlugin } from './cost.js';

const GIB = 1_073_741_824;

export const distance: CostPlugin = {
  name: 'distance', doc: 'CPU for messages that were local and would cross devices, from the move to the end of the horizon.',
  coreSeconds(board, { thread, source, target, estimate }) {
    if (source === undefined) return 0;
    const more = remoteTraffic(board, thread, target.id) - remoteTraffic(board, thread, source.id);
    const seconds = ((board.grid.steps - estimate.fromStep) * board.grid.stepMs) / 1_000;
    return (Math.max(0, more) * seconds * board.limits.coreSecondsPerGib) / GIB;
  },
};
