/**
 * The critical path: the chain of threads through which data takes longest. On a graph without cycles that is the longest path.
 * Threads that feed each other in a cycle (requests and replies) have no longest path; such a group is one station, whose
 * latency is the sum over its threads, since data may pass them all. Strongly connected components by Tarjan (1972), written
 * as a loop so that a chain of 100,000 threads does not exhaust the stack.
 */
import type { DurationMs, ThreadId } from '@godwit/kernel';
import type { DependencyGraph } from './graph.js';

export interface CriticalPath {
  /** From the first producer to the last consumer; threads of one cycle stand together, in the order of their names. */
  readonly threads: readonly ThreadId[];
  readonly latencyMs: DurationMs;
}

/**
 * @param latencyMsOf time that a thread adds, milliseconds; what is negative or not finite counts as 0.
 * An empty graph has an empty path of 0 ms.
 */
export function criticalPath(graph: DependencyGraph, latencyMsOf: (thread: ThreadId) => DurationMs): CriticalPath {
  const groups = stronglyConnected(graph);
  const groupOf = new Map<ThreadId, number>();
  groups.forEach((group, g) => group.forEach((thread) => groupOf.set(thread, g)));
  const longestMs = new Float64Array(groups.length);
  const next = new Int32Array(groups.length).fill(-1);
  let start = -1;
  // Tarjan's order puts consumers before their producers, so every successor is settled when it is asked for.
  for (let g = 0; g < groups.length; g++) {
    let ownMs = 0;
    let afterMs = 0;
    for (const thread of groups[g]!) {
      const latencyMs = latencyMsOf(thread);
      if (latencyMs > 0 && Number.isFinite(latencyMs)) ownMs += latencyMs;
      for (const consumer of graph.outgoing.get(thread)?.keys() ?? []) {
        const successor = groupOf.get(consumer)!;
        if (successor === g) continue;
        if (next[g] === -1 || longestMs[successor]! > afterMs) {
          next[g] = successor;
          afterMs = longestMs[successor]!;
        }
      }
    }
    longestMs[g] = ownMs + afterMs;
    // Of equals the later: a producer of no latency belongs to the chain.
    if (start === -1 || longestMs[g]! >= longestMs[start]!) start = g;
  }
  const threads: ThreadId[] = [];
  for (let g = start; g !== -1; g = next[g]!) threads.push(...groups[g]!);
  return { threads, latencyMs: start === -1 ? 0 : longestMs[start]! };
}

/** Groups of threads that reach each other; consumers' groups come before those of their producers. */
export function stronglyConnected(graph: DependencyGraph): readonly (readonly ThreadId[])[] {
  const index = new Map<ThreadId, number>();
  const low = new Map<ThreadId, number>();
  const open: ThreadId[] = [];
  const isOpen = new Set<ThreadId>();
  const groups: ThreadId[][] = [];
  const enter = (thread: ThreadId): { thread: ThreadId; rest: Iterator<ThreadId> } => {
    index.set(thread, index.size);
    low.set(thread, index.get(thread)!);
    open.push(thread);
    isOpen.add(thread);
    return { thread, rest: (graph.outgoing.get(thread) ?? new Map<ThreadId, never>()).keys() };
  };
  const lower = (thread: ThreadId, to: number): void => {
    if (to < low.get(thread)!) low.set(thread, to);
  };
  const close = (root: ThreadId): void => {
    const group = open.splice(open.lastIndexOf(root));
    for (const thread of group) isOpen.delete(thread);
    groups.push(group.sort());
  };

  for (const root of graph.outgoing.keys()) {
    if (index.has(root)) continue;
    const calls = [enter(root)];
    while (calls.length > 0) {
      const call = calls[calls.length - 1]!;
      const step = call.rest.next();
      if (step.done === true) {
        calls.pop();
        if (low.get(call.thread) === index.get(call.thread)) close(call.thread);
        const caller = calls[calls.length - 1];
        if (caller !== undefined) lower(caller.thread, low.get(call.thread)!);
      } else if (!index.has(step.value)) calls.push(enter(step.value));
      else if (isOpen.has(step.value)) lower(call.thread, index.get(step.value)!);
    }
  }
  return groups;
}
