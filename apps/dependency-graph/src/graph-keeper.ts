/**
 * Keeps the dependency graph: declared edges from the registry, observed ones from the traces. Knows no broker.
 *
 * Invariants:
 *  D1. An edge joins registered threads only, so that a thread that was removed does not come back by a late trace.
 *  D2. Times are this process's clock's, at receipt: devices' clocks need not agree, and rates are decayed by one clock.
 */
import { isRefusal, refuse, type Clock, type DurationMs, type Refusal, type ThreadId } from '@godwit/kernel';
import { age, criticalPath, declareSubscriptions, dependencies, dependents, edgesOf, emptyGraph, observe, ratesAt, withoutThread, type DependencyGraph, type Edge } from '@godwit/graph';
import { EMPTY_REGISTRY, type Registry } from '@godwit/registry';
import { Malformed, type Log } from '@godwit/shell';
import { decodeSamples, SUBJECTS, traceBatchCodec, type EdgeMessage, type GraphAnswer, type GraphMessage } from '@godwit/wire';

/** A graph that did not change is published so often all the same, for those who came later. */
export const REPEAT_MS: DurationMs = 10_000;
/** Latency of a thread that none was measured of: then the path with the most threads is the critical one. */
const UNMEASURED_MS: DurationMs = 1;
const LATENCY = 'latency.ms_p50';

export interface GraphKeeperPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly publish: (graph: GraphMessage) => void;
}

export class GraphKeeper {
  readonly malformed: Malformed;
  private graph: DependencyGraph = emptyGraph;
  private registry: Registry = EMPTY_REGISTRY;
  private readonly latencyMs = new Map<ThreadId, DurationMs>();
  private published: { readonly graph: DependencyGraph; readonly atMs: number } | undefined;

  constructor(private readonly ports: GraphKeeperPorts) {
    this.malformed = new Malformed(ports.log, ports.clock);
  }

  get size(): { readonly nodes: number; readonly edges: number } {
    return { nodes: new Set([...edgesOf(this.graph)].flatMap(({ from, to }) => [from, to])).size, edges: this.graph.edgeCount };
  }

  takeRegistry(registry: Registry): void {
    for (const thread of this.registry.threads.keys()) {
      if (registry.threads.has(thread)) continue;
      this.graph = withoutThread(this.graph, thread);
      this.latencyMs.delete(thread);
    }
    for (const [thread, spec] of registry.threads) {
      if (this.registry.threads.get(thread) !== spec) this.change(declareSubscriptions(this.graph, thread, spec.subscribes, this.ports.clock.nowMs()), `registration of ${thread}`);
    }
    this.registry = registry;
  }

  takeTrace(subject: string, bytes: Uint8Array): void {
    const batch = traceBatchCodec.decode(bytes);
    if (isRefusal(batch)) return this.malformed.note(subject, batch);
    if (subject !== SUBJECTS.trace(batch.device)) return this.malformed.note(subject, refuse('invalid-field', `the traces are those of ${batch.device}`, 'device'));
    const { threads } = this.registry;
    const edges = batch.edges.filter(({ producer, consumer }) => threads.has(producer) && threads.has(consumer))
      .map(({ producer, consumer, records, sizeBytes }) => ({ from: producer, to: consumer, records, bytes: sizeBytes }));
    if (edges.length > 0) this.change(observe(this.graph, edges, this.ports.clock.nowMs()), subject);
  }

  /** Of the samples only the threads' latencies matter here. */
  takeSamples(subject: string, bytes: Uint8Array): void {
    const batch = decodeSamples(bytes);
    if (isRefusal(batch)) return this.malformed.note(subject, batch);
    for (const { metric, thread, values } of batch.columns) {
      if (metric !== LATENCY || !this.registry.threads.has(thread as ThreadId)) continue;
      const newest = values.findLast(Number.isFinite);
      if (newest !== undefined) this.latencyMs.set(thread as ThreadId, newest);
    }
  }

  private change(next: DependencyGraph | Refusal, cause: string): void {
    if (isRefusal(next)) this.malformed.note(cause, next);
    else this.graph = next;
  }

  /** To be called each second: lets silent edges go, and publishes what changed. */
  tick(): void {
    const { clock } = this.ports;
    this.graph = age(this.graph, clock.nowMs());
    const atMs = clock.monotonicMs();
    if (this.published?.graph === this.graph && atMs - this.published.atMs < REPEAT_MS) return;
    this.published = { graph: this.graph, atMs };
    this.ports.publish(this.message(() => true));
  }

  /**
   * @param thread '' for the whole graph with its critical path; else the edges that touch the thread or its dependents, and
   * the longest chain through the thread.
   */
  query(thread: ThreadId | ''): GraphAnswer | Refusal {
    if (thread === '') return { graph: this.message(() => true), dependents: [], criticalPath: [...this.longest(this.graph)] };
    if (!this.registry.threads.has(thread)) return refuse('not-found', `thread ${thread} is not registered`, 'thread');
    const consumers = dependents(this.graph, thread);
    const touched = new Set([thread, ...consumers]);
    return { graph: this.message(({ from, to }) => touched.has(from) || touched.has(to)), dependents: [...consumers], criticalPath: this.longestThrough(thread, consumers) };
  }

  /** In the part before the thread every chain ends at it, and in the part behind it every chain begins there: so the longest ones join. */
  private longestThrough(thread: ThreadId, consumers: readonly ThreadId[]): ThreadId[] {
    const before = this.longest(within(this.graph, new Set([thread, ...dependencies(this.graph, thread)])));
    const behind = this.longest(within(this.graph, new Set([thread, ...consumers])));
    const chain = [...new Set([...before, ...behind])];
    return chain.length > 0 ? chain : [thread];
  }

  private longest(graph: DependencyGraph): readonly ThreadId[] {
    return criticalPath(graph, (thread) => this.latencyMs.get(thread) ?? UNMEASURED_MS).threads;
  }

  private message(wanted: (edge: Edge) => boolean): GraphMessage {
    const atMs = this.ports.clock.nowMs();
    return { atMs, edges: [...edgesOf(this.graph)].filter(wanted).map((edge) => edgeMessage(edge, atMs)) };
  }
}

/** On the wire 0 stands for an edge that never carried data. */
const edgeMessage = (edge: Edge, atMs: number): EdgeMessage => ({ producer: edge.from, consumer: edge.to, ...ratesAt(edge, atMs), declared: edge.declared, lastSeenMs: edge.lastSeenMs ?? 0 });

function within(graph: DependencyGraph, threads: ReadonlySet<ThreadId>): DependencyGraph {
  const part = (rows: DependencyGraph['outgoing']): DependencyGraph['outgoing'] => new Map(
    [...rows].filter(([thread]) => threads.has(thread)).map(([thread, row]) => [thread, new Map([...row].filter(([other]) => threads.has(other)))]),
  );
  const outgoing = part(graph.outgoing);
  return { outgoing, incoming: part(graph.incoming), edgeCount: [...outgoing.values()].reduce((sum, row) => sum + row.size, 0) };
}
