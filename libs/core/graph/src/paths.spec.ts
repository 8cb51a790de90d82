import fc from 'fast-check';
import { deviceId, isRefusal, threadId, type DeviceId, type ThreadId } from '@godwit/kernel';
import { communicationWeight, cutBytesPerSecond, neighbours } from './communication.js';
import { criticalPath, stronglyConnected } from './critical-path.js';
import { dependencies, dependents } from './dependents.js';
import { emptyGraph, observe, type DependencyGraph } from './graph.js';

const t = (name: string | number): ThreadId => threadId(`t${name}`);
const graphOf = (pairs: readonly (readonly [string | number, string | number])[], bytes = 30_000): DependencyGraph => {
  const graph = observe(emptyGraph, pairs.map(([from, to]) => ({ from: t(from), to: t(to), records: 1, bytes })), 0);
  if (isRefusal(graph)) throw new Error(graph.reason);
  return graph;
};
const anyPairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 })), { maxLength: 16 });

describe('dependents', () => {
  it('are all that rest on a thread, the nearest first, also around a cycle', () => {
    const graph = graphOf([[1, 2], [2, 3], [3, 1], [3, 4], [5, 1]]);
    expect(dependents(graph, t(1))).toEqual([t(2), t(3), t(4)]);
    expect(dependencies(graph, t(1))).toEqual([t(3), t(5), t(2)]);
    expect(dependents(graph, t(4))).toEqual([]);
    expect(dependents(graph, t('unknown'))).toEqual([]);
  });

  it('and dependencies are each other’s mirror', () => {
    fc.assert(fc.property(anyPairs, (pairs) => {
      const graph = graphOf(pairs);
      for (let i = 0; i < 8; i++) for (const other of dependents(graph, t(i))) expect(dependencies(graph, other)).toContain(t(i));
    }));
  });
});

describe('the critical path', () => {
  it('is the slowest chain, not the one with most threads', () => {
    const graph = graphOf([[1, 2], [2, 3], [3, 4], [1, 9], [9, 4]]);
    const latencyMs: Record<string, number> = { t1: 1, t2: 1, t3: 1, t4: 1, t9: 10 };
    expect(criticalPath(graph, (thread) => latencyMs[thread]!)).toEqual({ threads: [t(1), t(9), t(4)], latencyMs: 12 });
  });

  it('passes a cycle as one station', () => {
    const graph = graphOf([[1, 2], [2, 3], [3, 2], [3, 4]]);
    expect(criticalPath(graph, () => 5)).toEqual({ threads: [t(1), t(2), t(3), t(4)], latencyMs: 20 });
  });

  it('is empty for an empty graph, and takes what is no latency for none', () => {
    expect(criticalPath(emptyGraph, () => 5)).toEqual({ threads: [], latencyMs: 0 });
    expect(criticalPath(graphOf([[1, 2]]), () => NaN)).toEqual({ threads: [t(1), t(2)], latencyMs: 0 });
  });

  it('survives a chain of 50,000 threads', () => {
    const graph = graphOf(Array.from({ length: 50_000 }, (_, i) => [i, i + 1] as const));
    expect(criticalPath(graph, () => 1).latencyMs).toBe(50_001);
  });

  it('is as long as a search through all paths finds, where there is no cycle', () => {
    fc.assert(fc.property(anyPairs, fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }), (pairs, latencies) => {
      const graph = graphOf(pairs.map(([x, y]) => [Math.min(x, y), Math.max(x, y)] as const));
      const latencyOf = (thread: ThreadId): number => latencies[Number(thread.slice(1))]!;
      const longestFrom = (thread: ThreadId): number =>
        latencyOf(thread) + Math.max(0, ...[...(graph.outgoing.get(thread)?.keys() ?? [])].map(longestFrom));
      const expected = Math.max(0, ...[...graph.outgoing.keys()].map(longestFrom));
      const path = criticalPath(graph, latencyOf);
      expect(path.latencyMs).toBe(expected);
      expect(path.threads.reduce((sum, thread) => sum + latencyOf(thread), 0)).toBe(expected);
      path.threads.slice(1).forEach((thread, i) => expect(graph.outgoing.get(path.threads[i]!)!.has(thread)).toBe(true));
    }));
  });

  it('groups exactly the threads that reach each other', () => {
    fc.assert(fc.property(anyPairs, (pairs) => {
      const graph = graphOf(pairs);
      for (const group of stronglyConnected(graph)) {
        for (const thread of group) {
          const mutual = dependents(graph, thread).filter((other) => dependents(graph, other).includes(thread));
          expect([...mutual, thread].sort()).toEqual([...group].sort());
        }
      }
    }));
  });
});

describe('communication', () => {
  const graph = graphOf([[1, 2], [2, 1], [2, 3]]);

  it('is the sum of both directions, and fades', () => {
    expect(communicationWeight(graph, t(1), t(2), 0)).toBeCloseTo(2_000, 9);
    expect(communicationWeight(graph, t(2), t(1), 0)).toBeCloseTo(2_000, 9);
    expect(communicationWeight(graph, t(1), t(2), 30_000)).toBeCloseTo(2_000 / Math.E, 6);
    expect(communicationWeight(graph, t(1), t(3), 0)).toBe(0);
  });

  it('names the neighbours, the busiest first', () => {
    expect(neighbours(graph, t(2), 0).map(({ thread }) => thread)).toEqual([t(1), t(3)]);
  });

  it('is cut where it crosses devices, and only there', () => {
    const [x, y] = [deviceId('x'), deviceId('y')];
    const cut = (...places: [number, DeviceId][]): number => cutBytesPerSecond(graph, new Map(places.map(([n, device]) => [t(n), device])), 0);
    expect(cut([1, x], [2, x], [3, x])).toBe(0);
    expect(cut([1, x], [2, x], [3, y])).toBeCloseTo(1_000, 9);
    expect(cut([1, x], [2, y], [3, y])).toBeCloseTo(2_000, 9);
    expect(cut([1, x])).toBe(0);
  });

  it('cuts as much as the sum of the weights of the separated pairs', () => {
    fc.assert(fc.property(anyPairs, fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 8, maxLength: 8 }), (pairs, places) => {
      const any = graphOf(pairs);
      const assignment = new Map(places.map((place, i) => [t(i), deviceId(`d${place}`)] as const));
      let expected = 0;
      for (let i = 0; i < 8; i++) for (let j = 0; j < i; j++) if (places[i] !== places[j]) expected += communicationWeight(any, t(i), t(j), 0);
      expect(cutBytesPerSecond(any, assignment, 0)).toBeCloseTo(expected, 6);
    }));
  });
});
