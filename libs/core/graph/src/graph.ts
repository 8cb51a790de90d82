/**
 * Who consumes whose data. Owns the edges and their ageing; does not know where threads run.
 *
 * 1. A graph is a value: every change returns a new one, and what was not changed is shared.
 * 2. An edge goes from the producer to the consumer of records. At most one edge joins an ordered pair; no edge joins a thread
 *    to itself.
 * 3. Rates are exponentially decayed: read at any time, an edge that fell silent fades. An undeclared edge that was silent for
 *    long goes; a declared one stays until the declaration does.
 * 4. Size is bounded: where there are too many edges, the undeclared ones with the least traffic go first.
 */
import { isId, isRefusal, refuse, type DurationMs, type InstantMs, type Refusal, type ThreadId } from '@godwit/kernel';

export interface Edge {
  readonly from: ThreadId;
  readonly to: ThreadId;
  /** True for a subscription in the registry, false for one that was only seen. */
  readonly declared: boolean;
  /** Rates as of `ratedAtMs`; read them through `ratesAt`, which lets them fade. */
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly ratedAtMs: InstantMs;
  /** When data last went over it; null for a declared edge that never carried any. */
  readonly lastSeenMs: InstantMs | null;
}

/** Messages that `to` consumed of `from`'s outputs within an interval that ended with the observation. */
export interface ObservedEdge {
  readonly from: ThreadId;
  readonly to: ThreadId;
  readonly records: number;
  readonly bytes: number;
}

export interface GraphLimits {
  /** Time over which rates fade by e. */
  readonly decayMs: DurationMs;
  /** An undeclared edge that was silent for so long goes. */
  readonly silentMs: DurationMs;
  readonly maxEdges: number;
}

export const GRAPH_LIMITS: GraphLimits = { decayMs: 30_000, silentMs: 600_000, maxEdges: 100_000 };

type Adjacency = ReadonlyMap<ThreadId, ReadonlyMap<ThreadId, Edge>>;

export interface DependencyGraph {
  /** Edges by producer, then consumer. */
  readonly outgoing: Adjacency;
  /** The same edges by consumer, then producer. */
  readonly incoming: Adjacency;
  readonly edgeCount: number;
}

export const emptyGraph: DependencyGraph = { outgoing: new Map(), incoming: new Map(), edgeCount: 0 };

/**
 * Learns from a batch of observed messages, and lets go of what fell silent. A thread that reads its own output is no edge.
 * Refuses the whole batch, and changes nothing, when an entry's ids or numbers are wrong, naming `edges[i].<field>`.
 */
export function observe(
  graph: DependencyGraph, edges: readonly ObservedEdge[], nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS,
): DependencyGraph | Refusal {
  if (!Number.isFinite(nowMs)) return refuse('invalid-field', 'The time is not a finite number.', 'nowMs');
  for (const [i, edge] of edges.entries()) {
    const refusal = check(edge, `edges[${i}]`);
    if (isRefusal(refusal)) return refusal;
  }
  const change = new Change(graph);
  for (const { from, to, records, bytes } of edges) {
    if (from === to || (records === 0 && bytes === 0)) continue;
    const before = change.edge(from, to) ?? fresh(from, to, nowMs);
    const rates = ratesAt(before, nowMs, limits);
    change.set({
      ...before,
      // A record adds 1/decay to the rate and fades with it, so that a steady stream settles at its rate.
      recordsPerSecond: bounded(rates.recordsPerSecond + (records * 1_000) / limits.decayMs),
      bytesPerSecond: bounded(rates.bytesPerSecond + (bytes * 1_000) / limits.decayMs),
      ratedAtMs: Math.max(before.ratedAtMs, nowMs),
      lastSeenMs: Math.max(before.lastSeenMs ?? -Infinity, nowMs),
    });
  }
  forgetSilent(change, nowMs, limits);
  return change.done();
}

/**
 * Makes the consumer's subscriptions exactly `producers`: the registry's word. Edges that it no longer declares live on as seen
 * ones while data goes over them. Refuses wrong ids, naming `producers[i]`.
 */
export function declareSubscriptions(
  graph: DependencyGraph, consumer: ThreadId, producers: readonly ThreadId[], nowMs: InstantMs,
): DependencyGraph | Refusal {
  if (!isId(consumer)) return refuse('invalid-field', 'The consumer is not an id.', 'consumer');
  const wrong = producers.findIndex((producer) => !isId(producer));
  if (wrong >= 0) return refuse('invalid-field', 'The producer is not an id.', `producers[${wrong}]`);
  const declared = new Set(producers);
  declared.delete(consumer);
  const change = new Change(graph);
  for (const edge of [...(graph.incoming.get(consumer)?.values() ?? [])]) {
    if (!edge.declared || declared.has(edge.from)) continue;
    if (edge.lastSeenMs === null) change.remove(edge);
    else change.set({ ...edge, declared: false });
  }
  for (const producer of declared) {
    const before = change.edge(producer, consumer) ?? fresh(producer, consumer, nowMs);
    if (!before.declared) change.set({ ...before, declared: true });
  }
  return change.done();
}

/** Without a thread and all its edges: it was removed from the registry. */
export function withoutThread(graph: DependencyGraph, thread: ThreadId): DependencyGraph {
  const change = new Change(graph);
  for (const edge of graph.outgoing.get(thread)?.values() ?? []) change.remove(edge);
  for (const edge of graph.incoming.get(thread)?.values() ?? []) change.remove(edge);
  return change.done();
}

/** Lets go of undeclared edges that were silent for long; `observe` does it too. */
export function age(graph: DependencyGraph, nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS): DependencyGraph {
  const change = new Change(graph);
  forgetSilent(change, nowMs, limits);
  return change.done();
}

export interface Rates {
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** An edge's rates as they have faded by `nowMs`; a time before the last observation reads as that observation. */
export function ratesAt(edge: Edge, nowMs: InstantMs, limits: GraphLimits = GRAPH_LIMITS): Rates {
  const keep = Math.exp(-Math.max(0, nowMs - edge.ratedAtMs) / limits.decayMs);
  return { recordsPerSecond: edge.recordsPerSecond * keep, bytesPerSecond: edge.bytesPerSecond * keep };
}

export function* edgesOf(graph: DependencyGraph): Generator<Edge> {
  for (const row of graph.outgoing.values()) yield* row.values();
}

/** Largest rate that is kept: sums of so many such rates stay exact enough and finite. */
const MAX_RATE = 1e15;
const bounded = (rate: number): number => Math.min(MAX_RATE, rate);

const fresh = (from: ThreadId, to: ThreadId, nowMs: InstantMs): Edge => ({
  from, to, declared: false, recordsPerSecond: 0, bytesPerSecond: 0, ratedAtMs: nowMs, lastSeenMs: null,
});

function check({ from, to, records, bytes }: ObservedEdge, field: string): Refusal | undefined {
  if (!isId(from)) return refuse('invalid-field', 'The producer is not an id.', `${field}.from`);
  if (!isId(to)) return refuse('invalid-field', 'The consumer is not an id.', `${field}.to`);
  if (!(records >= 0 && records <= MAX_RATE)) return refuse('invalid-field', 'The number of records is not between 0 and 1e15.', `${field}.records`);
  if (!(bytes >= 0 && bytes <= MAX_RATE)) return refuse('invalid-field', 'The number of bytes is not between 0 and 1e15.', `${field}.bytes`);
  return undefined;
}

function forgetSilent(change: Change, nowMs: InstantMs, limits: GraphLimits): void {
  for (const edge of change.edges()) {
    if (!edge.declared && nowMs - (edge.lastSeenMs ?? edge.ratedAtMs) > limits.silentMs) change.remove(edge);
  }
  const excess = change.edgeCount - limits.maxEdges;
  if (excess <= 0) return;
  [...change.edges()]
    .filter((edge) => !edge.declared)
    .map((edge) => ({ edge, bytesPerSecond: ratesAt(edge, nowMs, limits).bytesPerSecond }))
    .sort((a, b) => a.bytesPerSecond - b.bytesPerSecond || compareEdges(a.edge, b.edge))
    .slice(0, excess)
    .forEach(({ edge }) => change.remove(edge));
}

function compareEdges(a: Edge, b: Edge): number {
  const [left, right] = [`${a.from} ${a.to}`, `${b.from} ${b.to}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A graph in the making: copies the rows that it touches, once, and leaves the old graph as it was. */
class Change {
  private outgoing: Map<ThreadId, ReadonlyMap<ThreadId, Edge>> | undefined;
  private incoming: Map<ThreadId, ReadonlyMap<ThreadId, Edge>> | undefined;
  private readonly ownRows = new Set<ReadonlyMap<ThreadId, Edge>>();
  edgeCount: number;

  constructor(private readonly before: DependencyGraph) {
    this.edgeCount = before.edgeCount;
  }

  edge(from: ThreadId, to: ThreadId): Edge | undefined {
    return (this.outgoing ?? this.before.outgoing).get(from)?.get(to);
  }

  /** A snapshot is not taken: an edge may be removed while it is the one at hand. */
  *edges(): Generator<Edge> {
    for (const row of [...(this.outgoing ?? this.before.outgoing).values()]) yield* row.values();
  }

  set(edge: Edge): void {
    if (this.edge(edge.from, edge.to) === undefined) this.edgeCount++;
    this.row('outgoing', edge.from).set(edge.to, edge);
    this.row('incoming', edge.to).set(edge.from, edge);
  }

  remove({ from, to }: Edge): void {
    if (this.edge(from, to) === undefined) return;
    this.edgeCount--;
    this.drop('outgoing', from, to);
    this.drop('incoming', to, from);
  }

  done(): DependencyGraph {
    if (this.outgoing === undefined || this.incoming === undefined) return this.before;
    return { outgoing: this.outgoing, incoming: this.incoming, edgeCount: this.edgeCount };
  }

  private row(side: 'outgoing' | 'incoming', key: ThreadId): Map<ThreadId, Edge> {
    const rows = (this[side] ??= new Map(this.before[side]));
    const row = rows.get(key);
    if (row !== undefined && this.ownRows.has(row)) return row as Map<ThreadId, Edge>;
    const own = new Map(row);
    this.ownRows.add(own);
    rows.set(key, own);
    return own;
  }

  private drop(side: 'outgoing' | 'incoming', key: ThreadId, other: ThreadId): void {
    const row = this.row(side, key);
    row.delete(other);
    if (row.size === 0) this[side]!.delete(key);
  }
}
