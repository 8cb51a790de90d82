/** One contract for all plugins: a new one is run here by standing in its list. */
import fc from 'fast-check';
import { ACTS, ACTIONS, COSTS, DEFAULT_PLAN_LIMITS as LIMITS, FILTERS, SCORES, TRIGGERS, TRIGGER_NAMES } from './index.js';
import { Board } from './board.js';
import { estimateMove } from './move-estimate.js';
import type { MoveRequest, Purpose } from './request.js';
import { cluster, deepFreeze, device, path, stepUp, thread, threadId } from './spec/cluster.js';

const anyRequest: fc.Arbitrary<{ board: Board; request: MoveRequest }> = fc.record({
  cores: fc.constantFrom(0.2, 1, Infinity), demand: fc.double({ min: 0, max: 2, noNaN: true }), after: fc.double({ min: 0, max: 2, noNaN: true }), at: fc.integer({ min: 0, max: 59 }), state: fc.integer({ min: 0, max: 2_000_000_000 }),
  dirty: fc.double({ min: 0, max: 1e10, noNaN: true }), price: fc.double({ min: 0, max: 3, noNaN: true }), goal: fc.boolean(), purpose: fc.constantFrom<Purpose[]>('relieve', 'evacuate', 'place', 'restore', 'manual'), copyMode: fc.constantFrom('stop' as const, 'live' as const),
}).map((w) => {
  const wish = { stateBytes: w.state, dirtyBytesPerSecond: w.dirty, goals: w.goal ? { responseMsP99: 50 } : {}, latencyMsP99: 40 };
  const snapshot = deepFreeze(cluster(
    [device('d-a', 0.5, { usedCores: 0.4 }), device('d-b', w.cores, { spec: { pricePerHour: w.price } })],
    [thread('t-a', 'd-a', path(stepUp(w.demand, w.after, w.at)), wish), thread('t-b', 'd-b', path(0.1), wish)],
    { traffic: [{ a: threadId('t-a'), b: threadId('t-b'), bytesPerSecond: 1e6 }] },
  ));
  const board = new Board(snapshot, { ...LIMITS, copyMode: w.copyMode });
  const [subject, target] = [board.threads.get(threadId('t-a'))!, [...board.devices.values()][1]!];
  const source = w.purpose === 'place' || w.purpose === 'restore' ? undefined : [...board.devices.values()][0]!;
  return { board, request: { thread: subject, target, purpose: w.purpose, estimate: estimateMove(board, subject, source, target), ...(source === undefined ? {} : { source }) } };
});
const figures = (board: Board): number[] => [...board.devices.values()].flatMap((d) => [d.load.overload(), d.load.risk(), d.moves, d.memoryUsedBytes, d.threads.size]);
const same = (board: Board, ask: () => unknown): void => {
  const before = figures(board);
  const answer = ask();
  expect(figures(board).every((v, i) => Math.abs(v - before[i]!) < 1e-6)).toBe(true);
  expect(ask()).toEqual(answer);
};

describe.each([['triggers', TRIGGERS], ['filters', FILTERS], ['scores', SCORES], ['costs', COSTS], ['acts', ACTS]] as const)('%s', (_stage, list) => {
  it('have names of their own and say what they do', () => {
    expect(new Set(list.map((p) => p.name)).size).toBe(list.length);
    for (const plugin of list) expect([plugin.name, plugin.doc]).toEqual([expect.stringMatching(/^[a-z-]+$/), expect.stringMatching(/^[A-Z\p{L}].{15,}\.$/u)]);
  });
});
describe.each(FILTERS.map((f) => [f.name, f] as const))('the filter %s', (_name, filter) => {
  it('changes nothing, answers the same again, and gives a reason that names whom it is about', () => {
    expect(filter.purposes.length).toBeGreaterThan(0);
    fc.assert(fc.property(anyRequest, ({ board, request }) => {
      same(board, () => filter.refuse(board, request));
      const reason = filter.refuse(board, request);
      if (reason !== undefined) expect(reason).toMatch(/t-[ab]|d-[ab]|moves are under way/);
    }), { numRuns: 60 });
  });
});
describe.each(SCORES.map((s) => [s.name, s] as const))('the score %s', (_name, plugin) => {
  it('is within 0..1, has a weight, and changes nothing', () => {
    expect(LIMITS.weights[plugin.name]).toBeGreaterThan(0);
    fc.assert(fc.property(anyRequest, fc.tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 0, max: 100, noNaN: true })), ({ board, request }, [before, after]) => {
      const simulated = { before, after, overloadBefore: before, overloadAfter: after };
      same(board, () => plugin.score(board, request, simulated));
      const score = plugin.score(board, request, simulated);
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(1);
    }), { numRuns: 60 });
  });
});
describe.each(COSTS.map((c) => [c.name, c] as const))('the cost %s', (_name, plugin) => {
  it('is finite, never negative, nothing without a source, and changes nothing', () => {
    fc.assert(fc.property(anyRequest, ({ board, request }) => {
      same(board, () => plugin.coreSeconds(board, request));
      const cost = plugin.coreSeconds(board, request);
      expect(Number.isFinite(cost) && cost >= 0).toBe(true);
      if (request.source === undefined) expect(cost).toBe(0);
    }), { numRuns: 60 });
  });
});
describe.each(TRIGGERS.map((t) => [t.name, t] as const))('the trigger %s', (name, trigger) => {
  it('is a name that decisions know, changes nothing, and says its figures', () => {
    expect(TRIGGER_NAMES).toContain(name);
    fc.assert(fc.property(anyRequest, ({ board }) => {
      for (const state of board.devices.values()) {
        same(board, () => trigger.fire(board, state)?.figures);
        const firing = trigger.fire(board, state);
        if (firing !== undefined) expect(firing).toMatchObject({ trigger: name, device: state, figures: expect.stringContaining(state.id) });
      }
    }), { numRuns: 60 });
  });
  it('keeps silent on a device without load', () => {
    const board = new Board(cluster([device('d-a', 1)], []), LIMITS);
    expect(trigger.fire(board, [...board.devices.values()][0]!)).toBeUndefined();
  });
});
describe.each(ACTS.map((a) => [a.name, a] as const))('the act %s', (_name, act) => {
  it('changes nothing until it is promised, and declines with a reason', () => {
    fc.assert(fc.property(anyRequest, ({ board }) => {
      for (const state of board.devices.values()) for (const trigger of TRIGGERS) {
        const firing = trigger.fire(board, state);
        if (firing === undefined) continue;
        const before = figures(board);
        const answer = act.propose(board, firing);
        expect(figures(board).every((v, i) => Math.abs(v - before[i]!) < 1e-6)).toBe(true);
        if (answer.kind === 'declined') expect(answer.reason.length).toBeGreaterThan(10);
        else expect(ACTIONS).toContain(answer.action);
      }
    }), { numRuns: 60 });
  });
});

describe('the time that a move takes', () => {
  const estimate = (wish: Parameters<typeof cluster>[2], state: Parameters<typeof thread>[3], copyMode: 'stop' | 'live' = 'stop') => {
    const board = new Board(cluster([device('d-a', 1), device('d-b', 1)], [thread('t', 'd-a', path(0.1), state)], wish), { ...LIMITS, copyMode });
    const [a, b] = [...board.devices.values()];
    return estimateMove(board, board.threads.get(threadId('t'))!, a, b!);
  };
  it('is the fixed part and the bytes over the link', () => {
    expect(estimate({}, { stateBytes: 1e9 })).toEqual({ totalMs: 1_500, freezeMs: 1_050, fromStep: 2 });
    expect(estimate({}, { stateBytes: 1e9, dirtyBytesPerSecond: 1e8 }, 'live')).toEqual({ totalMs: 500 + 1_000 / 0.9, freezeMs: 150, fromStep: 2 });
  });
  it('is learned from moves of the same runtime', () => {
    const moveHistory = [3_000, 2_000, 90_000].map((totalMs) => ({ runtime: 'wasm' as const, stateBytes: 0, totalMs, freezeMs: 200 }));
    expect(estimate({ moveHistory }, { stateBytes: 1e9 })).toMatchObject({ totalMs: 4_000, freezeMs: 1_200 });
    expect(estimate({ moveHistory: moveHistory.map((m) => ({ ...m, runtime: 'task' as const })) }, { stateBytes: 1e9 })).toMatchObject({ totalMs: 1_500 });
  });
});
