import fc from 'fast-check';
import { isRefusal, threadId, type Refusal, type ThreadId } from '@godwit/kernel';
import { age, declareSubscriptions, edgesOf, emptyGraph, GRAPH_LIMITS, observe, ratesAt, withoutThread, type DependencyGraph } from './graph.js';

const [a, b, c] = [threadId('a'), threadId('b'), threadId('c')];
/** An id that its constructor would have refused, as a careless caller may pass it. */
const unchecked = (text: string): ThreadId => text as ThreadId;
const done = <T,>(answer: T | Refusal): T => {
  if (isRefusal(answer)) throw new Error(answer.reason);
  return answer;
};
const steady = (seconds: number, fromMs = 0): DependencyGraph => {
  let graph = emptyGraph;
  for (let s = 1; s <= seconds; s++) graph = done(observe(graph, [{ from: a, to: b, records: 50, bytes: 2_000 }], fromMs + s * 1_000));
  return graph;
};

const anyId = fc.integer({ min: 0, max: 6 }).map((n) => threadId(`t${n}`));
const anyBatch = fc.array(fc.record({ from: anyId, to: anyId, records: fc.nat(1e6), bytes: fc.nat(1e9) }), { maxLength: 10 });
type Act = (graph: DependencyGraph, nowMs: number) => DependencyGraph;
const anyAct: fc.Arbitrary<Act> = fc.oneof(
  anyBatch.map((batch): Act => (graph, nowMs) => done(observe(graph, batch, nowMs, { ...GRAPH_LIMITS, maxEdges: 12 }))),
  fc.tuple(anyId, fc.array(anyId, { maxLength: 3 })).map(([consumer, producers]): Act => (graph, nowMs) => done(declareSubscriptions(graph, consumer, producers, nowMs))),
  anyId.map((thread): Act => (graph) => withoutThread(graph, thread)),
  fc.constant<Act>((graph, nowMs) => age(graph, nowMs)),
);

describe('the dependency graph', () => {
  it('learns the rates of a steady stream', () => {
    const graph = steady(300);
    const [edge] = [...edgesOf(graph)];
    const rates = ratesAt(edge!, 300_000);
    expect(Math.abs(rates.recordsPerSecond / 50 - 1)).toBeLessThan(0.03);
    expect(Math.abs(rates.bytesPerSecond / 2_000 - 1)).toBeLessThan(0.03);
    expect(edge).toMatchObject({ from: a, to: b, declared: false, lastSeenMs: 300_000 });
  });

  it('lets a silent edge fade, and go', () => {
    const graph = steady(300);
    const [edge] = [...edgesOf(graph)];
    expect(ratesAt(edge!, 300_000 + 60_000).recordsPerSecond).toBeLessThan(50 * Math.exp(-2) * 1.05);
    expect(age(graph, 300_000 + GRAPH_LIMITS.silentMs).edgeCount).toBe(1);
    expect(age(graph, 300_001 + GRAPH_LIMITS.silentMs)).toMatchObject({ edgeCount: 0 });
  });

  it('keeps a declared edge however silent, and lets it go with its declaration', () => {
    const declared = done(declareSubscriptions(emptyGraph, b, [a, c], 0));
    expect(age(declared, 1e12).edgeCount).toBe(2);
    const fewer = done(declareSubscriptions(declared, b, [c], 1));
    expect([...edgesOf(fewer)].map((edge) => edge.from)).toEqual([c]);
  });

  it('goes on seeing an edge that is no longer declared while data goes over it', () => {
    const seen = done(declareSubscriptions(steady(10), b, [a], 10_000));
    expect([...edgesOf(seen)][0]!.declared).toBe(true);
    const undeclared = done(declareSubscriptions(seen, b, [], 11_000));
    expect([...edgesOf(undeclared)][0]).toMatchObject({ declared: false, lastSeenMs: 10_000 });
  });

  it('is a value: what was, stays', () => {
    const before = steady(3);
    const copy = structuredClone(before);
    done(observe(before, [{ from: a, to: c, records: 1, bytes: 1 }, { from: a, to: b, records: 1, bytes: 1 }], 9_000));
    withoutThread(before, a);
    expect(before).toEqual(copy);
    expect(age(before, 3_000)).toBe(before);
  });

  it('takes a thread that reads its own output, and a silent report, for no edge', () => {
    expect(done(observe(emptyGraph, [{ from: a, to: a, records: 5, bytes: 5 }, { from: a, to: b, records: 0, bytes: 0 }], 0)).edgeCount).toBe(0);
    expect(done(declareSubscriptions(emptyGraph, a, [a], 0)).edgeCount).toBe(0);
  });

  it('bounds its size by dropping the least traffic, never a declared edge', () => {
    const limits = { ...GRAPH_LIMITS, maxEdges: 2 };
    const declared = done(declareSubscriptions(emptyGraph, b, [a], 0));
    const graph = done(observe(declared, [
      { from: a, to: c, records: 1, bytes: 10 }, { from: c, to: a, records: 1, bytes: 1_000 }, { from: b, to: c, records: 1, bytes: 100 },
    ], 1, limits));
    expect([...edgesOf(graph)].map(({ from, to }) => `${from}${to}`).sort()).toEqual(['ab', 'ca']);
  });

  it.each([
    [[{ from: unchecked('A.b'), to: b, records: 1, bytes: 1 }], 'edges[0].from'],
    [[{ from: a, to: b, records: 1, bytes: 1 }, { from: a, to: unchecked(''), records: 1, bytes: 1 }], 'edges[1].to'],
    [[{ from: a, to: b, records: NaN, bytes: 1 }], 'edges[0].records'],
    [[{ from: a, to: b, records: 1, bytes: -1 }], 'edges[0].bytes'],
  ])('refuses %j whole, naming %s', (edges, field) => {
    const answer = observe(emptyGraph, edges, 0);
    expect(answer).toMatchObject({ refused: true, code: 'invalid-field', field });
  });

  it('keeps its two views alike, its count right and its rates finite, whatever happens and however time jumps', () => {
    fc.assert(fc.property(fc.array(fc.tuple(anyAct, fc.integer({ min: -1e6, max: 1e6 })), { maxLength: 30 }), (acts) => {
      let graph = emptyGraph;
      let nowMs = 0;
      for (const [act, movedMs] of acts) graph = act(graph, (nowMs += movedMs));
      const forward = [...edgesOf(graph)];
      const backward = [...graph.incoming.values()].flatMap((row) => [...row.values()]);
      expect(new Set(backward)).toEqual(new Set(forward));
      expect(graph.edgeCount).toBe(forward.length);
      for (const edge of forward) {
        expect(edge.from).not.toBe(edge.to);
        const { recordsPerSecond, bytesPerSecond } = ratesAt(edge, nowMs);
        expect(recordsPerSecond >= 0 && bytesPerSecond >= 0 && Number.isFinite(bytesPerSecond)).toBe(true);
      }
    }));
  });
});
