import { DEFAULT_PLAN_LIMITS as LIMITS, plan, type Decision, type PlanLimits } from './index.js';
import type { ClusterSnapshot } from './snapshot.js';
import { NOW_MS, cluster, device, deviceId, ids, path, stepUp, thread, threadId } from './spec/cluster.js';

const decide = (snapshot: ClusterSnapshot, limits: Partial<PlanLimits> = {}): readonly Decision[] => plan(snapshot, { ...LIMITS, ...limits }, ids()).decisions;
/** One small device whose thread grows at second 14, and a large one. */
const growing = (wish: Parameters<typeof thread>[3] = {}, at = 14): ClusterSnapshot => cluster(
  [device('d-small', 0.3), device('d-large', 1, { spec: { pricePerHour: 0.12 } })],
  [thread('t-a', 'd-small', path(stepUp(0.1, 0.45, at)), wish), thread('t-b', 'd-large', path(0.2))],
);

describe('plan moves before the bottleneck', () => {
  it('moves the growing thread away, with the figures in the reason', () => {
    const [decision, ...more] = decide(growing());
    expect(more).toEqual([]);
    expect(decision).toMatchObject({ action: 'migrate', trigger: 'predicted-exhaustion', thread: 't-a', source: 'd-small', target: 'd-large', overloadInMs: 14_000 });
    expect(decision!.reason).toMatch(/^predicted exhaustion on d-small: demand p90 passes 0\.30 cores in 14 s \(risk 1\.00\); t-a moves within 0\.5 s: d-large has 0\.78 cores of headroom, same rack, 0\.02 \$\/h dearer; expected gain 6\.\d+ core-seconds, cost 0\.05\d* already taken off$/);
    // 46 steps from second 14 on, 0.15 cores above capacity in each.
    expect(decision!.expectedGainCoreSeconds + decision!.costCoreSeconds).toBeCloseTo(46 * 0.15, 1);
    expect(decision!.risk).toBeGreaterThan(0.99);
    expect(decision!.expectedFreezeMs).toBeGreaterThan(0);
  });
  it('names "do nothing" first among the candidates', () => {
    const [decision] = decide(growing());
    expect(decision!.candidates.map((c) => c.device)).toEqual(['d-small', 'd-large']);
    expect(decision!.candidates[0]).toMatchObject({ verdicts: [{ plugin: 'stay' }] });
    expect(decision!.candidates[0]!.overloadCoreSeconds).toBeGreaterThan(decision!.candidates[1]!.overloadCoreSeconds!);
  });
  it('does nothing when nothing is in danger', () => {
    expect(decide(cluster([device('d-a', 1), device('d-b', 1)], [thread('t', 'd-a', path(0.3))]))).toEqual([]);
  });
  it('moves the small thread that suffices rather than the large one', () => {
    const snapshot = cluster([device('d-a', 1), device('d-b', 1)], [
      thread('t-big', 'd-a', path(0.7), { stateBytes: 4e9 }), thread('t-small', 'd-a', path(stepUp(0.1, 0.5, 20)), { stateBytes: 1e6 }),
    ]);
    expect(decide(snapshot)[0]).toMatchObject({ action: 'migrate', thread: 't-small' });
  });
  it('prefers the same rack when all else is equal', () => {
    const far = device('d-far', 1, { spec: { place: { pop: 'p2', rack: 'r9', subnet: 's9' } } });
    const snapshot = growing();
    expect(decide({ ...snapshot, devices: [device('d-small', 0.3), far, device('d-near', 1)], threads: [snapshot.threads[0]!] })[0]!.target).toBe('d-near');
  });
  it('prefers the device of the threads it talks to', () => {
    const snapshot = growing();
    const devices = [device('d-small', 0.3), device('d-x', 1), device('d-y', 1)];
    const threads = [snapshot.threads[0]!, thread('t-x', 'd-x', path(0.1)), thread('t-y', 'd-y', path(0.1))];
    for (const friend of ['x', 'y']) {
      const traffic = [{ a: threadId('t-a'), b: threadId(`t-${friend}`), bytesPerSecond: 1e6 }];
      expect(decide({ ...snapshot, devices, threads, traffic })[0]!.target).toBe(`d-${friend}`);
    }
  });
  it('keeps the thread when the gain is below the cost of moving', () => {
    const [decision, ...more] = decide(growing({}, 14), { netGainCoreSeconds: 50 });
    expect(more).toEqual([]);
    expect(decision).toMatchObject({ action: 'keep', thread: 't-a', trigger: 'predicted-exhaustion', expectedGainCoreSeconds: 0 });
    expect(decision!.reason).toMatch(/moving t-a to d-large would gain 6\.\d+ core-seconds after its cost, less than 50/);
  });
  it('says a keep once per cool-down', () => {
    const kept = (agoMs: number): readonly Decision[] => decide(growing({ lastKeptAtMs: NOW_MS - agoMs }), { netGainCoreSeconds: 50 });
    expect(kept(LIMITS.coolDownMs - 1)).toEqual([]);
    expect(kept(LIMITS.coolDownMs)).toHaveLength(1);
  });
  it('asks for more once moves have disappointed', () => {
    const disappointing = { ...growing(), settled: { helped: 0, useless: 0, harmful: 100 } };
    expect(decide(growing(), { netGainCoreSeconds: 5 })[0]!.action).toBe('migrate');
    expect(decide(disappointing, { netGainCoreSeconds: 5 })[0]!.action).toBe('keep');
  });
});

describe('plan respects', () => {
  it('the moves at once, those in flight included', () => {
    const devices = [device('d-a', 0.3), device('d-b', 0.3), device('d-c', 0.3), device('d-z', 9)];
    const threads = ['a', 'b', 'c'].map((x) => thread(`t-${x}`, `d-${x}`, path(stepUp(0.1, 0.5, 20))));
    const moves = (list: readonly Decision[]): number => list.filter((d) => d.action === 'migrate').length;
    const limits = { movesPerDevice: 9 };
    expect(moves(decide(cluster(devices, threads), { ...limits, movesAtOnce: 2 }))).toBe(2);
    expect(moves(decide(cluster(devices, threads), { ...limits, movesAtOnce: 9 }))).toBe(3);
    const inFlight = { thread: threadId('t-c'), source: deviceId('d-c'), target: deviceId('d-z'), expectedDoneAtMs: NOW_MS + 2_000 };
    const busy = cluster(devices, [threads[0]!, threads[1]!, { ...threads[2]!, moving: true }], { movesInFlight: [inFlight] });
    expect(moves(decide(busy, { ...limits, movesAtOnce: 2 }))).toBe(1);
    expect(moves(decide(busy, { movesAtOnce: 9, movesPerDevice: 1 }))).toBe(0);
  });
  it('what it has promised: two devices do not both flee to the same gap', () => {
    const devices = [device('d-a', 0.3), device('d-b', 0.3), device('d-gap', 0.55)];
    const threads = ['a', 'b'].map((x) => thread(`t-${x}`, `d-${x}`, path(stepUp(0.1, 0.5, 20))));
    const list = decide(cluster(devices, threads));
    expect(list.map((d) => d.action)).toEqual(['migrate', 'keep']);
    expect(list[1]!.reason).toMatch(/d-gap would itself run out of capacity with t-b/);
  });
  it('the earliest overload first', () => {
    const devices = [device('d-a', 0.3), device('d-b', 0.3), device('d-z', 9)];
    const threads = [thread('t-a', 'd-a', path(stepUp(0.1, 0.5, 30))), thread('t-b', 'd-b', path(stepUp(0.1, 0.5, 10)))];
    expect(decide(cluster(devices, threads), { movesAtOnce: 1 })[0]!.thread).toBe('t-b');
  });
  it.each<[string, Parameters<typeof thread>[3], RegExp]>([
    ['a pinned thread', { spec: { affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: true } } }, /t-a is pinned/],
    ['hints against a device', { spec: { affinity: { devices: [], avoidDevices: [deviceId('d-large')], nearThreads: [], apartFromThreads: [], pinned: false } } }, /t-a avoids d-large/],
    ['hints for devices', { spec: { affinity: { devices: [deviceId('d-small')], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false } } }, /may run on d-small only/],
    ['hints for distance', { spec: { affinity: { devices: [], avoidDevices: [], nearThreads: [], apartFromThreads: [threadId('t-b')], pinned: false } } }, /t-a must stay apart from t-b/],
    ['the cool-down', { lastMovedAtMs: NOW_MS - 10_000 }, /rests for 20 s more/],
    ['the budget of a thread', { movesInWindow: 6 }, /moved 6 times in 10 minutes/],
    ['no A→B→A', { lastMoves: [{ from: deviceId('d-large'), to: deviceId('d-small'), atMs: NOW_MS - 40_000 }] }, /left d-large 40 s ago/],
    ['the runtimes of a device', { spec: { runtime: 'process' } }, /d-large does not offer the runtime process/],
    ['the memory of a device', { spec: { limits: { memoryBytes: 5e9, stackBytes: 1, tableEntries: 1, safepointMs: 1, cpuCores: 1 } } }, /memory left/],
    ['the freeze budget', { goals: { freezeBudgetMs: 10 } }, /would freeze it for \d+ ms, its budget is 10 ms/],
  ])('%s', (_name, wish, why) => {
    const [decision, ...more] = decide(growing(wish));
    expect(more).toEqual([]);
    expect(decision).toMatchObject({ action: 'keep', thread: 't-a' });
    expect(decision!.reason).toMatch(why);
  });
  it('the same budgets once they are over', () => {
    expect(decide(growing({ lastMovedAtMs: NOW_MS - 30_000, movesInWindow: 5, lastMoves: [{ from: deviceId('d-large'), to: deviceId('d-small'), atMs: NOW_MS - 60_000 }] }))[0]!.action).toBe('migrate');
  });
  it.each([
    ['a dead device', { alive: false }, /d-large does not answer/], ['a draining device', { draining: true }, /d-large is being drained/],
    ['maintenance', { maintenance: [{ fromMs: NOW_MS + 30_000, toMs: NOW_MS + 90_000 }] }, /d-large goes into maintenance in 30 s/],
    ['a device about to fail', { failureProbability: 0.9 }, /likely to fail itself/],
    ['reservations', { reservations: [{ cpuCores: 0.7, fromMs: NOW_MS + 20_000, toMs: NOW_MS + 30_000 }] }, /d-large would itself run out of capacity/],
  ])('%s', (_name, wish, why) => {
    const [decision] = decide(cluster([device('d-small', 0.3), device('d-large', 1, wish)], [thread('t-a', 'd-small', path(stepUp(0.1, 0.45, 14)))]));
    expect(decision!.action).toBe('keep');
    expect(decision!.reason).toMatch(why);
  });
});

describe('plan without fresh forecasts', () => {
  const old = path(stepUp(0.1, 0.45, 14), 0.02, NOW_MS - 20_000);
  it('trusts no prediction', () => {
    expect(decide(cluster([device('d-small', 0.3), device('d-large', 1)], [thread('t', 'd-small', old)]))).toEqual([]);
  });
  it('still reacts to a full device, and says why it does not move for gain', () => {
    const [decision] = decide(cluster([device('d-small', 0.3, { usedCores: 0.29 }), device('d-large', 1)], [thread('t', 'd-small', old, { demandNowCores: 0.4 })]));
    expect(decision).toMatchObject({ action: 'keep', trigger: 'threshold' });
    expect(decision!.reason).toMatch(/0\.29 of 0\.30 cores are in use.*the forecast of t is older than 10 s/);
  });
  it('still leaves a draining device', () => {
    const [decision] = decide(cluster([device('d-small', 0.9, { draining: true }), device('d-large', 1)], [thread('t', 'd-small', old)]));
    expect(decision).toMatchObject({ action: 'migrate', trigger: 'drain', target: 'd-large' });
  });
  it('takes a policy without forecasts: current demand stands for the future', () => {
    const reactive: Partial<PlanLimits> = { triggers: ['threshold'] };
    const calm = cluster([device('d-small', 0.5, { usedCores: 0.1 }), device('d-large', 1)], [thread('t', 'd-small', path(stepUp(0.1, 0.6, 14)))]);
    expect(decide(calm, reactive)).toEqual([]);
    const noForecast = { issuedAtMs: NOW_MS, stepMs: 1_000, p10: [], p50: [], p90: [] };
    const full = cluster([device('d-small', 0.5, { usedCores: 0.5 }), device('d-large', 1)], [thread('t', 'd-small', noForecast, { demandNowCores: 0.6 })]);
    expect(decide(full, reactive)[0]).toMatchObject({ action: 'migrate', trigger: 'threshold' });
  });
});

describe('plan does no harm', () => {
  it('when relief against the threshold would be bought with true overload elsewhere', () => {
    const crowd = (targetCores: number): ClusterSnapshot => cluster([device('d-a', 1, { usedCores: 0.95 }), device('d-b', targetCores)], [
      thread('t-1', 'd-a', path(0.42, 0)), thread('t-2', 'd-a', path(0.53, 0), { spec: { affinity: { devices: [deviceId('d-a')], avoidDevices: [], nearThreads: [], apartFromThreads: [], pinned: false } } }),
    ]);
    // Above 80 %: 0.15 cores before, 0.10 after; above 100 %: nothing before, 0.02 after.
    const [kept] = decide(crowd(0.4), { triggers: ['threshold'], targetRisk: 1 });
    expect(kept).toMatchObject({ action: 'keep', trigger: 'threshold' });
    expect(kept!.reason).toMatch(/moving t-1 to d-b would overload d-b by 1\.\d+ core-seconds more than it spares d-a/);
    expect(decide(crowd(0.43), { triggers: ['threshold'], targetRisk: 1 })).toMatchObject([{ action: 'migrate', thread: 't-1', target: 'd-b' }]);
  });
});

describe('plan evacuates', () => {
  it('a draining device, threads with goals first, as many at once as permitted', () => {
    const snapshot = cluster([device('d-a', 1, { draining: true }), device('d-b', 2)], [
      thread('t-1', 'd-a', path(0.2)), thread('t-2', 'd-a', path(0.1), { goals: { responseMsP99: 100 } }), thread('t-3', 'd-a', path(0.1)),
    ]);
    expect(decide(snapshot).map((d) => [d.thread, d.action, d.trigger])).toEqual([['t-2', 'migrate', 'drain'], ['t-1', 'migrate', 'drain']]);
  });
  it('a device that is likely to fail', () => {
    const [decision] = decide(cluster([device('d-a', 1, { failureProbability: 0.8 }), device('d-b', 2)], [thread('t', 'd-a', path(0.2))]));
    expect(decision).toMatchObject({ action: 'migrate', trigger: 'failure', risk: 0.8 });
    expect(decision!.reason).toMatch(/^d-a is likely to fail \(probability 0\.80 within 60 s\)/);
  });
  it('a device before its maintenance', () => {
    const [decision] = decide(cluster([device('d-a', 1, { maintenance: [{ fromMs: NOW_MS + 40_000, toMs: NOW_MS + 99_000 }] }), device('d-b', 2)], [thread('t', 'd-a', path(0.2))]));
    expect(decision).toMatchObject({ action: 'migrate', trigger: 'drain' });
    expect(decision!.reason).toMatch(/maintenance of d-a begins in 40 s/);
  });
});

describe('plan throttles', () => {
  const goals = { responseMsP99: 100 };
  const crowded = (wish: Parameters<typeof thread>[3] = {}): ClusterSnapshot => cluster([device('d-a', 0.5)], [
    thread('t-goal', 'd-a', path(0.3), { goals }), thread('t-batch', 'd-a', path(stepUp(0.1, 0.4, 10)), wish),
  ]);
  it('the thread without a goal when nothing fits', () => {
    const [decision, ...more] = decide(crowded());
    expect(more).toEqual([]);
    expect(decision).toMatchObject({ action: 'throttle', thread: 't-batch', source: 'd-a' });
    expect(decision!.throttleCores).toBeCloseTo(0.2, 1);
    expect(decision!.reason).toMatch(/no device can take t-\w+: there is no other device; t-batch, which has no goal, is held to 0\.2\d cores/);
  });
  it('nobody where no goal would be protected', () => {
    const snapshot = cluster([device('d-a', 0.5)], [thread('t-1', 'd-a', path(0.4)), thread('t-2', 'd-a', path(0.4))]);
    const [decision] = decide(snapshot);
    expect(decision).toMatchObject({ action: 'keep' });
    expect(decision!.reason).toMatch(/no thread on d-a has a goal that a throttle would protect/);
  });
  it('not the same thread again before its cool-down', () => {
    expect(decide(crowded({ lastThrottledAtMs: NOW_MS - 5_000, throttledToCores: 0.35 }))[0]).toMatchObject({ action: 'keep' });
  });
  it('rather than start a move that would end after the overload, and says so', () => {
    const slow = { a: deviceId('d-a'), b: deviceId('d-b'), latencyMs: 1, bytesPerSecond: 200_000 };
    const two = (stateBytes: number): ClusterSnapshot => {
      const one = crowded();
      return { ...one, devices: [...one.devices, device('d-b', 1)], links: [slow], threads: one.threads.map((t) => ({ ...t, stateBytes })) };
    };
    const [decision] = decide(two(5.9e6), { copyMode: 'live' });
    expect(decision).toMatchObject({ action: 'throttle', thread: 't-batch' });
    expect(decision!.reason).toMatch(/moving t-\w+ to d-b would take 30 s and end after the overload begins in 10 s; t-batch, which has no goal, is held/);
    expect(decide({ ...two(5.9e6), links: [] })[0]).toMatchObject({ action: 'migrate' });
    // Late, but still better than a throttle for the whole horizon.
    expect(decide(two(3e6), { copyMode: 'live' })[0]).toMatchObject({ action: 'migrate' });
    // With stop-and-copy the freeze alone costs more than the move gains.
    expect(decide(two(8e6))[0]!.reason).toMatch(/moving t-\w+ to d-b would take 4\d s, end after the overload begins in 10 s, and gain -\d/);
  });
  it('and lets go when the pressure is gone, not before', () => {
    const held = { throttledToCores: 0.1, lastThrottledAtMs: NOW_MS - 30_000 };
    const after = (cores: number, wish: Parameters<typeof thread>[3] = held): readonly Decision[] =>
      decide(cluster([device('d-a', cores)], [thread('t-goal', 'd-a', path(0.3), { goals }), thread('t-batch', 'd-a', path(0.4), wish)]));
    expect(after(1)).toMatchObject([{ action: 'unthrottle', thread: 't-batch' }]);
    expect(after(1)[0]!.reason).toMatch(/the pressure on d-a is gone.*t-batch was held to 0\.10 cores/);
    expect(after(0.6)).toEqual([]);
    expect(after(1, { ...held, lastThrottledAtMs: NOW_MS - 1_000 })).toEqual([]);
  });
});

describe('plan watches goals', () => {
  const late = (latencyMsP99: number): ClusterSnapshot => cluster([device('d-a', 1, { usedCores: 0.9 }), device('d-b', 1, { usedCores: 0.1 })], [
    thread('t', 'd-a', path(0.4), { goals: { responseMsP99: 100 }, latencyMsP99 }), thread('t-other', 'd-a', path(0.45)),
  ]);
  it('and moves a thread that answers too late', () => {
    const [decision] = decide(late(150), { triggers: ['performance-goal'] });
    expect(decision).toMatchObject({ action: 'migrate', thread: 't', trigger: 'performance-goal', target: 'd-b' });
    expect(decision!.reason).toMatch(/99 % of responses within 150 ms, the goal is 100 ms/);
  });
  it('and moves one that is predicted to', () => {
    const growing = cluster([device('d-a', 1, { usedCores: 0.4 }), device('d-b', 1, { usedCores: 0.1 })], [
      thread('t', 'd-a', path(0.2), { goals: { responseMsP99: 100 }, latencyMsP99: 40 }), thread('t-other', 'd-a', path(stepUp(0.2, 0.7, 20))),
    ]);
    const [decision] = decide(growing);
    expect(decision).toMatchObject({ action: 'migrate', thread: 't', trigger: 'performance-goal' });
    expect(decision!.reason).toMatch(/predicted to rise from 40 to 2\d\d ms/);
  });
  it('and is quiet when they are met', () => expect(decide(late(10), { triggers: ['performance-goal'] })).toEqual([]));
});

describe('plan places', () => {
  it('threads without an owner, the largest first, onto what is left', () => {
    const snapshot = cluster([device('d-a', 0.5), device('d-b', 0.3)], [thread('t-1', undefined, path(0.2)), thread('t-2', undefined, path(0.4))]);
    expect(decide(snapshot).map((d) => [d.thread, d.action, d.target])).toEqual([['t-2', 'place', 'd-a'], ['t-1', 'place', 'd-b']]);
  });
  it('by the first guess of their demand while there is no forecast', () => {
    const unknown = { issuedAtMs: 0, stepMs: 1_000, p10: [], p50: [], p90: [] };
    const snapshot = cluster([device('d-a', 0.3), device('d-b', 2)], [thread('t', undefined, unknown, { spec: { expectedCores: 0.8 } })]);
    expect(decide(snapshot)).toMatchObject([{ action: 'place', target: 'd-b' }]);
  });
  it('or says once why one waits', () => {
    const snapshot = (lastKeptAtMs?: number): ClusterSnapshot => cluster([device('d-a', 0.1)], [thread('t', undefined, path(0.5), lastKeptAtMs === undefined ? {} : { lastKeptAtMs })]);
    const [decision] = decide(snapshot());
    expect(decision).toMatchObject({ action: 'keep', trigger: 'placement', thread: 't' });
    expect(decision!.reason).toMatch(/it waits: d-a would itself run out of capacity/);
    expect(decide(snapshot(NOW_MS - 1_000))).toEqual([]);
  });
});
