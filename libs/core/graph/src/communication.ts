import type { DeviceId, InstantMs, ThreadId } from '@godwit/kernel';
import { edgesOf, GRAPH_LIMITS, ratesAt, type DependencyGraph, type GraphLimits } from './graph.js';

/** Bytes per second between two threads, both directions, as of `nowMs`: what is saved by placing them together. */
export function communicationWeight(
  graph: DependencyGraph, a: ThreadId, b: ThreadId, nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS,
): number {
  return directed(graph, a, b, nowMs, limits) + directed(graph, b, a, nowMs, limits);
}

function directed(graph: DependencyGraph, from: ThreadId, to: ThreadId, nowMs: InstantMs, limits: GraphLimits): number {
  const edge = graph.outgoing.get(from)?.get(to);
  return edge === undefined ? 0 : ratesAt(edge, nowMs, limits).bytesPerSecond;
}

/** The threads that a thread exchanges data with, the busiest first. */
export function neighbours(
  graph: DependencyGraph, thread: ThreadId, nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS,
): readonly { readonly thread: ThreadId; readonly bytesPerSecond: number }[] {
  const others = new Set<ThreadId>([...(graph.outgoing.get(thread)?.keys() ?? []), ...(graph.incoming.get(thread)?.keys() ?? [])]);
  return [...others]
    .map((other) => ({ thread: other, bytesPerSecond: communicationWeight(graph, thread, other, nowMs, limits) }))
    .sort((a, b) => b.bytesPerSecond - a.bytesPerSecond || (a.thread < b.thread ? -1 : 1));
}

/**
 * Bytes per second that cross from one device to another under an assignment of threads to devices. An edge of a thread that is
 * not assigned crosses nothing.
 */
export function cutBytesPerSecond(
  graph: DependencyGraph, assignment: ReadonlyMap<ThreadId, DeviceId>, nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS,
): number {
  let bytesPerSecond = 0;
  for (const edge of edgesOf(graph)) {
    const from = assignment.get(edge.from);
    const to = assignment.get(edge.to);
    if (from !== undefined && to !== undefined && from !== to) bytesPerSecond += ratesAt(edge, nowMs, limits).bytesPerSecond;
  }
  return bytesPerSecond;
}
