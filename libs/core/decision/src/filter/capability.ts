import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

export const capability: FilterPlugin = {
  name: 'capability', doc: 'The target offers the runtime of the thread.', code: 'no-capability', purposes: EVERY_PURPOSE,
  refuse(_board, { thread, target }) {
    const { runtime } = thread.view.spec;
    return target.view.spec.runtimes.includes(runtime) ? undefined : `${target.id} does not offer the runtime ${runtime}`;
  },
};
