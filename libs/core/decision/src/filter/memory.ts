import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;

export const memory: FilterPlugin = {
  name: 'memory', doc: 'The target has room for the most memory that the thread may take.', code: 'no-capacity', purposes: EVERY_PURPOSE,
  refuse(_board, { thread, target }) {
    const needed = thread.view.spec.limits.memoryBytes;
    const free = target.view.spec.memoryBytes - target.memoryUsedBytes;
    return needed > free ? `${target.id} has ${mib(Math.max(0, free))} of memory left, ${thread.id} may take ${mib(needed)}` : undefined;
  },
};
