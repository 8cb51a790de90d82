import fc from 'fast-check';
import { DEFAULT_PLAN_LIMITS as LIMITS, plan, type Decision, type DeviceView, type PlanLimits, type ThreadView } from './index.js';
import { Board } from './board.js';
import { estimateMove } from './move-estimate.js';
import type { ClusterSnapshot } from './snapshot.js';
import { NOW_MS, cluster, deepFreeze, device, deviceId, ids, path, stepUp, thread, threadId } from './spec/cluster.js';

const DEVICES = 4;
const deviceName = fc.integer({ min: 0, max: DEVICES - 1 }).map((i) => `d-${i}`);
const anyDevice = (id: string): fc.Arbitrary<DeviceView> => fc.record({
  cores: fc.double({ min: 0.2, max: 2, noNaN: true }), used: fc.double({ min: 0, max: 1, noNaN: true }), base: fc.double({ min: 0, max: 0.2, noNaN: true }), draining: fc.boolean(),
  alive: fc.integer({ min: 0, max: 9 }), failure: fc.double({ min: 0, max: 0.7, noNaN: true }), ageMs: fc.constantFrom(0, 0, 0, 20_000), price: fc.double({ min: 0, max: 1, noNaN: true }),
}).map((d) => device(id, d.cores, {
  usedCores: d.used * d.cores, draining: d.draining && d.price > 0.7, alive: d.alive > 0, failureProbability: d.failure, baseDemand: path(d.base, 0.02, NOW_MS - d.ageMs), spec: { pricePerHour: d.price },
}));
const anyThread = (id: string): fc.Arbitrary<ThreadView> => fc.record({
  on: fc.option(deviceName, { nil: undefined, freq: 6 }), now: fc.double({ min: 0, max: 0.6, noNaN: true }), then: fc.double({ min: 0, max: 0.9, noNaN: true }), at: fc.integer({ min: 0, max: 59 }),
  spread: fc.double({ min: 0, max: 0.2, noNaN: true }), goal: fc.boolean(), latency: fc.double({ min: 1, max: 400, noNaN: true }), state: fc.integer({ min: 0, max: 500_000_000 }),
  from: deviceName, agoMs: fc.integer({ min: 0, max: 120_000 }), throttled: fc.option(fc.double({ min: 0.01, max: 0.5, noNaN: true }), { nil: undefined, freq: 5 }), moving: fc.integer({ min: 0, max: 9 }),
}).map((t) => thread(id, t.on, path(stepUp(t.now, t.then, t.at), t.spread), {
  goals: t.goal ? { responseMsP99: 100 } : {}, latencyMsP99: t.latency, stateBytes: t.state, lastMoves: [{ from: deviceId(t.from), to: deviceId(t.on ?? 'd-0'), atMs: NOW_MS - t.agoMs }],
  ...(t.throttled === undefined ? {} : { throttledToCores: t.throttled }), moving: t.moving === 0 && t.on !== undefined,
}));
const anyCluster: fc.Arbitrary<ClusterSnapshot> = fc.integer({ min: 0, max: 9 }).chain((threads) => fc.record({
  devices: fc.tuple(...Array.from({ length: DEVICES }, (_, i) => anyDevice(`d-${i}`))),
  threads: fc.tuple(...Array.from({ length: threads }, (_, i) => anyThread(`t-${i}`))),
  traffic: fc.array(fc.record({ a: fc.nat(9), b: fc.nat(9), bytesPerSecond: fc.double({ min: 0, max: 1e8, noNaN: true }) }), { maxLength: 5 }),
})).map(({ devices, threads, traffic }) => {
  const movesInFlight = threads.filter((t) => t.moving).map((t) => ({ thread: t.spec.thread, source: t.device!, target: deviceId('d-0'), expectedDoneAtMs: NOW_MS + 3_000 })).filter((m) => m.source !== m.target);
  return cluster(devices, threads, { movesInFlight, traffic: traffic.map((t) => ({ ...t, a: threadId(`t-${t.a}`), b: threadId(`t-${t.b}`) })) });
});
const anyLimits: fc.Arbitrary<PlanLimits> = fc.record({
  movesAtOnce: fc.integer({ min: 0, max: 4 }), movesPerDevice: fc.integer({ min: 1, max: 3 }), netGainCoreSeconds: fc.double({ min: 0, max: 1, noNaN: true }),
  copyMode: fc.constantFrom('stop' as const, 'live' as const), demandCorrelation: fc.double({ min: 0, max: 1, noNaN: true }), targetRisk: fc.double({ min: 0, max: 1, noNaN: true }),
}).map((some) => ({ ...LIMITS, ...some }));

const decide = (snapshot: ClusterSnapshot, limits: PlanLimits = LIMITS): readonly Decision[] => plan(snapshot, limits, ids()).decisions;
const moves = (list: readonly Decision[]): Decision[] => list.filter((d) => d.action === 'migrate');
const RUNS = { numRuns: 150 };

describe('for every cluster, a plan', () => {
  it('has never more moves at once than the limits', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      const made = moves(decide(snapshot, limits));
      const ends = [...snapshot.movesInFlight.map((m) => [m.source, m.target]), ...made.map((d) => [d.source!, d.target!])];
      if (made.length > 0) expect(ends.length).toBeLessThanOrEqual(limits.movesAtOnce);
      for (const d of made.flatMap((m) => [m.source!, m.target!])) expect(ends.filter((pair) => pair.includes(d)).length).toBeLessThanOrEqual(limits.movesPerDevice);
    }), RUNS);
  });
  it('moves, places and throttles no thread twice, and none that is moving', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      const done = decide(snapshot, limits).filter((d) => d.action !== 'keep').map((d) => d.thread);
      expect(new Set(done).size).toBe(done.length);
      expect(done.filter((t) => snapshot.threads.find((v) => v.spec.thread === t)!.moving)).toEqual([]);
    }), RUNS);
  });
  it('never makes the simulated overload worse by a move for gain', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      const board = new Board(snapshot, limits);
      const total = (): number => [...board.devices.values()].reduce((sum, d) => sum + d.load.overload(), 0);
      for (const d of decide(snapshot, limits)) {
        const state = board.threads.get(d.thread)!;
        if (d.action === 'throttle' || d.action === 'unthrottle') board.promiseThrottle(state, d.throttleCores);
        if (d.target === undefined) continue;
        const before = total();
        const target = board.device(d.target);
        board.promiseMove(state, target, d.action === 'migrate' ? board.stepAfter(totalMsOf(board, d)) : 0);
        if (d.action === 'migrate' && d.trigger !== 'drain' && d.trigger !== 'failure') expect(total()).toBeLessThanOrEqual(before + 1e-6);
      }
    }), RUNS);
  });
  it('never takes a thread back within the horizon to where it came from', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      for (const d of moves(decide(snapshot, limits)).filter((m) => m.trigger !== 'drain' && m.trigger !== 'failure')) {
        const { lastMoves } = snapshot.threads.find((t) => t.spec.thread === d.thread)!;
        expect(lastMoves.filter((m) => m.from === d.target && NOW_MS - m.atMs < snapshot.horizonMs)).toEqual([]);
      }
    }), RUNS);
  });
  it('does not change its input', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      deepFreeze(snapshot);
      deepFreeze(limits);
      expect(() => decide(snapshot, limits)).not.toThrow();
    }), RUNS);
  });
  it('is the same for the same input, in whatever order its lists come', () => {
    const shuffled = anyCluster.chain((snapshot) => fc.record({
      snapshot: fc.constant(snapshot), devices: fc.shuffledSubarray([...snapshot.devices], { minLength: DEVICES }), threads: fc.shuffledSubarray([...snapshot.threads], { minLength: snapshot.threads.length }),
      traffic: fc.shuffledSubarray([...snapshot.traffic], { minLength: snapshot.traffic.length }), movesInFlight: fc.shuffledSubarray([...snapshot.movesInFlight], { minLength: snapshot.movesInFlight.length }),
    }));
    fc.assert(fc.property(shuffled, anyLimits, ({ snapshot, ...order }, limits) => {
      const first = decide(snapshot, limits);
      expect(decide(snapshot, limits)).toEqual(first);
      expect(decide({ ...snapshot, ...order }, limits)).toEqual(first);
    }), RUNS);
  });
  it('is empty where every thread has unlimited capacity', () => {
    fc.assert(fc.property(anyCluster, fc.constantFrom(Infinity, 1e9), (snapshot, cores) => {
      const settled = snapshot.threads.map(({ latencyMsP99: _latency, throttledToCores: _held, ...t }) => ({ ...t, device: deviceId('d-0') }));
      expect(decide({ ...snapshot, devices: [device('d-0', cores), device('d-1', 1)], threads: settled, movesInFlight: [] })).toEqual([]);
    }), RUNS);
  });
  it('gives every decision a reason, finite figures and one decision per device and plan at most that keeps', () => {
    fc.assert(fc.property(anyCluster, anyLimits, (snapshot, limits) => {
      const list = decide(snapshot, limits);
      for (const d of list) {
        expect(d.reason.length).toBeGreaterThan(20);
        expect(d.reason).not.toMatch(/undefined|NaN|Infinity/);
        expect([d.expectedGainCoreSeconds, d.costCoreSeconds, d.risk].every(Number.isFinite)).toBe(true);
        expect(d.risk).toBeGreaterThanOrEqual(0);
        expect(d.risk).toBeLessThanOrEqual(1);
        for (const score of d.candidates.flatMap((c) => c.verdicts.flatMap((v) => v.score ?? []))) expect(score >= 0 && score <= 1).toBe(true);
      }
      const kept = list.filter((d) => d.action === 'keep' && d.source !== undefined).map((d) => d.source);
      expect(new Set(kept).size).toBe(kept.length);
      expect(new Set(list.map((d) => d.decision)).size).toBe(list.length);
    }), RUNS);
  });
});

/** The reason tells it to a person only; the board's own estimate tells it here. */
function totalMsOf(board: Board, d: Decision): number {
  const state = board.threads.get(d.thread)!;
  return estimateMove(board, state, board.device(d.source!), board.device(d.target!)).totalMs;
}
