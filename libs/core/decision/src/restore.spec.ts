import { isRefusal } from '@godwit/kernel';
import { DEFAULT_PLAN_LIMITS as LIMITS, explainManual, place, restorePlan, type Decision } from './index.js';
import type { ClusterSnapshot } from './snapshot.js';
import { NOW_MS, cluster, deepFreeze, device, deviceId, ids, path, thread, threadId } from './spec/cluster.js';

const restore = (snapshot: ClusterSnapshot): Decision[] => {
  const result = restorePlan(deepFreeze(snapshot), deviceId('d-dead'), LIMITS, ids());
  if (isRefusal(result)) throw new Error(result.reason);
  return result;
};

describe('restorePlan', () => {
  it('finds each thread of the dead device another, those with goals first', () => {
    const snapshot = cluster([device('d-dead', 1), device('d-a', 0.5), device('d-b', 0.5)], [
      thread('t-1', 'd-dead', path(0.4)), thread('t-2', 'd-dead', path(0.3), { goals: { responseMsP99: 50 } }), thread('t-3', 'd-a', path(0.05)),
    ]);
    const list = restore(snapshot);
    expect(list.map((d) => [d.thread, d.action, d.trigger, d.source])).toEqual([['t-2', 'restore', 'failure', 'd-dead'], ['t-1', 'restore', 'failure', 'd-dead']]);
    expect(new Set(list.map((d) => d.target)).size).toBe(2);
    expect(list[0]!.reason).toMatch(/^d-dead does not answer; d-\w has 0\.\d\d cores of headroom/);
    // Its demand was served nowhere: all of it is won.
    expect(list[0]!.expectedGainCoreSeconds).toBeCloseTo(0.3 * 60, 0);
  });
  it('puts a thread on the least bad device where capacity is short, and says so', () => {
    const [decision] = restore(cluster([device('d-dead', 1), device('d-a', 0.2), device('d-b', 0.3)], [thread('t', 'd-dead', path(0.5))]));
    expect(decision).toMatchObject({ action: 'restore', target: 'd-b' });
    expect(decision!.reason).toMatch(/capacity is short: 12\.\d core-seconds of overload come with t/);
  });
  it('does not ask cool-downs and budgets, and restores a pinned thread', () => {
    const affinity = { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: true };
    const snapshot = cluster([device('d-dead', 1), device('d-a', 1)], [thread('t', 'd-dead', path(0.1), { lastMovedAtMs: NOW_MS - 1, movesInWindow: 99, spec: { affinity } })]);
    expect(restore(snapshot)).toMatchObject([{ action: 'restore', target: 'd-a' }]);
  });
  it('keeps a thread that no living device can run, with the reason', () => {
    const [decision] = restore(cluster([device('d-dead', 1), device('d-a', 1, { alive: false }), device('d-b', 1)], [thread('t', 'd-dead', path(0.1), { spec: { runtime: 'process' } })]));
    expect(decision).toMatchObject({ action: 'keep', trigger: 'failure' });
    expect(decision!.reason).toMatch(/t waits: d-a does not answer, d-b does not offer the runtime process/);
  });
  it('knows its devices', () => expect(restorePlan(cluster([], []), deviceId('d-dead'), LIMITS, ids())).toMatchObject({ refused: true, field: 'device' }));
});

describe('place', () => {
  it('leaves threads with an owner alone', () => {
    const list = place(cluster([device('d-a', 0.1), device('d-b', 1)], [thread('t-1', 'd-a', path(0.5)), thread('t-2', undefined, path(0.2))]), LIMITS, ids());
    expect(list).toMatchObject([{ thread: 't-2', action: 'place', target: 'd-b', trigger: 'placement' }]);
  });
});

describe('explainManual', () => {
  const snapshot = cluster([device('d-a', 1), device('d-b', 1), device('d-full', 0.1)], [thread('t', 'd-a', path(0.3)), thread('t-new', undefined, path(0.1)), thread('t-moving', 'd-a', path(0.1), { moving: true })]);
  const explain = (id: string, target: string, from: ClusterSnapshot = snapshot) => explainManual(deepFreeze(from), { thread: threadId(id), target: deviceId(target) }, LIMITS, ids());
  it('answers with the decision that it would be', () => {
    const answer = explain('t', 'd-b');
    expect(answer).toMatchObject({ action: 'migrate', trigger: 'manual', source: 'd-a', target: 'd-b' });
    // Nothing is won by it; the figures say so.
    expect((answer as Decision).expectedGainCoreSeconds).toBeLessThan(0);
    expect(explain('t-new', 'd-b')).toMatchObject({ action: 'place', trigger: 'manual', target: 'd-b' });
  });
  it.each([
    ['nobody', 'd-b', 'not-found', 'thread'], ['t', 'nowhere', 'not-found', 'target'], ['t', 'd-a', 'refused-by-policy', 'target'], ['t-moving', 'd-b', 'conflict', 'thread'], ['t', 'd-full', 'no-capacity', 'target'],
  ])('refuses %s to %s with %s at %s', (id, target, code, field) => expect(explain(id, target)).toMatchObject({ refused: true, code, field }));
  it('names the rule that forbids it', () => {
    const affinity = { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: true };
    expect(explain('t', 'd-b', cluster([device('d-a', 1), device('d-b', 1)], [thread('t', 'd-a', path(0.1), { spec: { affinity } })]))).toMatchObject({ code: 'refused-by-policy', field: 'thread', reason: 't is pinned' });
    expect(explain('t', 'd-b', cluster([device('d-a', 1), device('d-b', 1)], [thread('t', 'd-a', path(0.1), { spec: { runtime: 'process' } })]))).toMatchObject({ code: 'no-capability' });
  });
  it('is not bound by what paces the planner', () => {
    const back = thread('t', 'd-a', path(0.1), { lastMovedAtMs: NOW_MS - 1, movesInWindow: 99, lastMoves: [{ from: deviceId('d-b'), to: deviceId('d-a'), atMs: NOW_MS - 5_000 }] });
    expect(explain('t', 'd-b', cluster([device('d-a', 1), device('d-b', 1)], [back]))).toMatchObject({ action: 'migrate', target: 'd-b' });
  });
});
