import { EVERY_PURPOSE, type FilterPlugin } from './filter.js';

export const affinity: FilterPlugin = {
  name: 'affinity', doc: 'Named devices only, avoided devices never, apart from threads that it must not meet; both sides of "apart" count.',
  code: 'refused-by-policy', purposes: EVERY_PURPOSE,
  refuse(_board, { thread, target }) {
    const { affinity: hints } = thread.view.spec;
    if (hints.devices.length > 0 && !hints.devices.includes(target.id)) return `${thread.id} may run on ${hints.devices.join(', ')} only`;
    if (hints.avoidDevices.includes(target.id)) return `${thread.id} avoids ${target.id}`;
    for (const other of target.threads.values()) {
      if (other.id === thread.id) continue;
      if (hints.apartFromThreads.includes(other.id)) return `${thread.id} must stay apart from ${other.id}, which is there`;
      if (other.view.spec.affinity.apartFromThreads.includes(thread.id)) return `${other.id}, which is there, must stay apart from ${thread.id}`;
    }
    return undefined;
  },
};
