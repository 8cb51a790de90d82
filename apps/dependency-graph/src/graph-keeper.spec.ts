import { deviceId, threadId, type Clock, type ThreadId } from '@godwit/kernel';
import { EMPTY_REGISTRY, type Registry, type ThreadSpec } from '@godwit/registry';
import { createLog } from '@godwit/shell';
import { encodeSamples, graphCodec, SUBJECTS, traceBatchCodec, type GraphAnswer, type GraphMessage, type TraceBatch } from '@godwit/wire';
import { GraphKeeper, REPEAT_MS } from './graph-keeper.js';

const device = deviceId('d1');
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id) => threadId(id)) as [ThreadId, ThreadId, ThreadId, ThreadId];
const registryOf = (subscriptions: Readonly<Record<string, readonly ThreadId[]>>): Registry => ({
  ...EMPTY_REGISTRY,
  threads: new Map(Object.entries(subscriptions).map(([thread, subscribes]) => [threadId(thread), { thread: threadId(thread), subscribes } as unknown as ThreadSpec])),
});
const trace = (...edges: [ThreadId, ThreadId, number][]): Uint8Array => traceBatchCodec.encode({
  device, atMs: 0, spanMs: 1_000, threads: [], edges: edges.map(([producer, consumer, records]) => ({ producer, consumer, records, sizeBytes: records * 10 })),
} satisfies TraceBatch);

function rig() {
  const clock: Clock & { atMs: number } = { atMs: 1_000_000, nowMs: () => clock.atMs, monotonicMs: () => clock.atMs };
  const published: GraphMessage[] = [];
  const keeper = new GraphKeeper({ clock, log: createLog('spec', 'silent'), publish: (graph) => published.push(graph) });
  const latency = (thread: ThreadId, ...values: number[]): void => keeper.takeSamples(SUBJECTS.metrics(device), encodeSamples({
    device, sequence: 0, atMs: values.map((_, i) => i), columns: [{ metric: 'latency.ms_p50', thread, values }], absences: [],
  }));
  return { clock, keeper, published, latency, trace: (bytes: Uint8Array) => keeper.takeTrace(SUBJECTS.trace(device), bytes), answer: (thread: ThreadId | '') => keeper.query(thread) as GraphAnswer };
}
const pairs = ({ edges }: GraphMessage): string[] => edges.map(({ producer, consumer }) => `${producer}>${consumer}`).sort();

describe('the dependency graph', () => {
  it('joins what is declared and what is observed', () => {
    const { keeper, published, trace: take } = rig();
    keeper.takeRegistry(registryOf({ a: [], b: [a], c: [] }));
    take(trace([a, c, 30]));
    keeper.tick();
    expect(graphCodec.decode(graphCodec.encode(published[0]!))).toEqual(published[0]);
    expect(pairs(published[0]!)).toEqual(['a>b', 'a>c']);
    expect(published[0]!.edges.find(({ consumer }) => consumer === 'b')).toMatchObject({ declared: true, recordsPerSecond: 0, lastSeenMs: 0 });
    expect(published[0]!.edges.find(({ consumer }) => consumer === 'c')).toMatchObject({ declared: false, recordsPerSecond: 1, bytesPerSecond: 10, lastSeenMs: 1_000_000 });
  });

  it('publishes what changed, and now and then what did not', () => {
    const { keeper, clock, published, trace: take } = rig();
    keeper.takeRegistry(registryOf({ a: [], b: [a] }));
    for (let s = 0; s < 5; s++, clock.atMs += 1_000) keeper.tick();
    expect(published.length).toBe(1);
    take(trace([a, b, 3]));
    keeper.tick();
    expect(published.length).toBe(2);
    take(trace());
    clock.atMs += REPEAT_MS - 1;
    keeper.tick();
    expect(published.length).toBe(2);
    clock.atMs += 1;
    keeper.tick();
    expect(published.length).toBe(3);
  });

  it('follows the registry: other subscriptions, and threads that go do not come back by a late trace', () => {
    const { keeper, answer, trace: take } = rig();
    keeper.takeRegistry(registryOf({ a: [], b: [], c: [a, b] }));
    keeper.takeRegistry(registryOf({ a: [], b: [], c: [b] }));
    expect(pairs(answer('').graph)).toEqual(['b>c']);
    keeper.takeRegistry(registryOf({ b: [], c: [b] }));
    take(trace([a, c, 9], [b, c, 1]));
    expect(pairs(answer('').graph)).toEqual(['b>c']);
  });

  it('answers with dependents, their edges, and the longest chain through the thread', () => {
    const { keeper, answer, latency } = rig();
    // a > b > d, a > c > d, and x > d beside it.
    keeper.takeRegistry(registryOf({ a: [], b: [a], c: [a], d: [b, c], x: [], y: [x()] }));
    latency(c, 5, NaN, 40);
    latency(b, 10);
    expect(answer(a)).toMatchObject({ dependents: ['b', 'c', 'd'], criticalPath: ['a', 'c', 'd'] });
    expect(answer(b)).toMatchObject({ dependents: ['d'], criticalPath: ['a', 'b', 'd'] });
    expect(pairs(answer(b).graph)).toEqual(['a>b', 'b>d', 'c>d']);
    expect(answer('').criticalPath).toEqual(['a', 'c', 'd']);
    function x(): ThreadId { return threadId('x'); }
  });

  it('gives a thread without edges itself as its chain, and says so when a thread is not registered', () => {
    const { keeper, answer } = rig();
    keeper.takeRegistry(registryOf({ a: [] }));
    expect(answer(a)).toMatchObject({ dependents: [], criticalPath: ['a'] });
    expect(keeper.query(d)).toMatchObject({ refused: true, code: 'not-found', field: 'thread' });
  });

  it('gives a cycle as one station', () => {
    const { keeper, answer } = rig();
    keeper.takeRegistry(registryOf({ a: [c], b: [a], c: [b], d: [c] }));
    expect(answer(b).criticalPath).toEqual(['a', 'b', 'c', 'd']);
  });

  it('counts malformed traces and samples and goes on', () => {
    const { keeper, trace: take } = rig();
    take(Uint8Array.of(255, 255, 1));
    keeper.takeTrace('godwit.trace.d2', trace([a, b, 1]));
    keeper.takeSamples(SUBJECTS.metrics(device), Uint8Array.of(7));
    expect(keeper.malformed.count).toBe(3);
    keeper.takeRegistry(registryOf({ a: [], b: [a] }));
    expect(keeper.size).toEqual({ nodes: 2, edges: 1 });
  });
});
