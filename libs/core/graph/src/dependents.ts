import type { ThreadId } from '@godwit/kernel';
import type { DependencyGraph } from './graph.js';

/** All threads that consume the thread's data, directly or through others, in the order of distance; never the thread itself. */
export function dependents(graph: DependencyGraph, thread: ThreadId): readonly ThreadId[] {
  return reachable(graph.outgoing, thread);
}

/** All threads whose data the thread rests on, directly or through others; never the thread itself. */
export function dependencies(graph: DependencyGraph, thread: ThreadId): readonly ThreadId[] {
  return reachable(graph.incoming, thread);
}

function reachable(rows: DependencyGraph['outgoing'], start: ThreadId): readonly ThreadId[] {
  const seen = new Set<ThreadId>([start]);
  // A set is walked in the order of insertion, entries that are added on the way included: breadth first.
  for (const thread of seen) for (const next of rows.get(thread)?.keys() ?? []) seen.add(next);
  seen.delete(start);
  return [...seen];
}
