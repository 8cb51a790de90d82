import fc from 'fast-check';
import { DEFAULT_PRECOPY, learnMove, PRECOPY_START, precopyStep, timeToMove, UNTAUGHT_MOVES, type PrecopyAction, type PrecopyLimits, type RoundReport } from './index.js';

const MB = 1e6;
/** A thread that dirties `dirtyPerSecond` over a working set, and a link; returns what was decided, round by round. */
function copy(thread: { imageBytes: number; dirtyPerSecond: number; linkPerSecond: number; noise?: readonly number[] }, limits: PrecopyLimits = DEFAULT_PRECOPY): { actions: PrecopyAction[]; dirty: number[]; forecasts: (number | undefined)[] } {
  let state = PRECOPY_START;
  let dirtyBytes = thread.imageBytes;
  const actions: PrecopyAction[] = [];
  const dirty: number[] = [];
  const forecasts: (number | undefined)[] = [];
  for (;;) {
    const durationMs = 0.2 + (dirtyBytes / thread.linkPerSecond) * 1_000;
    const report: RoundReport = { imageBytes: thread.imageBytes, dirtyBytes, sentBytes: dirtyBytes, durationMs };
    const next = precopyStep(state, report, limits);
    dirty.push(dirtyBytes);
    actions.push(next.action);
    forecasts.push(next.numbers.forecastFreezeMs);
    state = next.state;
    if (next.action.do !== 'round') return { actions, dirty, forecasts };
    const noise = thread.noise?.[actions.length % thread.noise.length] ?? 1;
    dirtyBytes = Math.min(thread.imageBytes, (thread.dirtyPerSecond * noise * next.action.dutyRatio * durationMs) / 1_000);
  }
}
const last = <T>(list: readonly T[]): T => list[list.length - 1]!;

describe('the decision after each round', () => {
  it('freezes an idle thread after its second round', () => {
    const { actions } = copy({ imageBytes: 256 * MB, dirtyPerSecond: 0, linkPerSecond: 1_000 * MB });
    expect(actions.map((a) => a.do)).toEqual(['round', 'freeze']);
  });

  it('lets rounds shrink while they do so steeply, and freezes inside the budget', () => {
    const { actions, dirty } = copy({ imageBytes: 1_000 * MB, dirtyPerSecond: 100 * MB, linkPerSecond: 1_000 * MB }, { ...DEFAULT_PRECOPY, freezeBudgetMs: 50 });
    expect(last(actions).do).toBe('freeze');
    expect(last(dirty)).toBeLessThan(20 * MB);
  });

  it('slows a thread that changes more than the link carries, until the rounds shrink', () => {
    const { actions } = copy({ imageBytes: 500 * MB, dirtyPerSecond: 2_000 * MB, linkPerSecond: 1_000 * MB }, { ...DEFAULT_PRECOPY, freezeBudgetMs: 60 });
    expect(last(actions).do).toBe('freeze');
    expect(actions.some((a) => a.do === 'round' && a.dutyRatio < 1)).toBe(true);
  });

  it('refuses with the numbers when even that does not help', () => {
    const { actions } = copy({ imageBytes: 500 * MB, dirtyPerSecond: 50_000 * MB, linkPerSecond: 100 * MB }, { ...DEFAULT_PRECOPY, maxMs: 600_000 });
    const end = last(actions);
    if (end.do !== 'refuse') throw new Error(end.do);
    expect(end.refusal).toMatchObject({ code: 'refused-by-policy', field: 'freezeBudgetMs' });
    expect(end.refusal.reason).toMatch(/MB\/s, even slowed to 20 % .* 200 ms are its budget/);
  });

  const anyThread = fc.record({
    imageBytes: fc.integer({ min: 4_096, max: 2_000 * MB }), dirtyPerSecond: fc.integer({ min: 0, max: 20_000 * MB }), linkPerSecond: fc.integer({ min: MB, max: 3_000 * MB }),
    noise: fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 6 }),
  });
  const anyLimits = fc.record({
    freezeBudgetMs: fc.integer({ min: 1, max: 2_000 }), fixedFreezeMs: fc.integer({ min: 0, max: 20 }), maxRounds: fc.integer({ min: 2, max: 40 }), maxMs: fc.integer({ min: 10, max: 60_000 }),
    slowestDutyRatio: fc.double({ min: 0.05, max: 1, noNaN: true }),
  });
  it('ends within its rounds, freezes only inside the budget, and never speeds a slowed thread up', () => {
    fc.assert(fc.property(anyThread, anyLimits, (thread, limits) => {
      const { actions, forecasts } = copy(thread, limits);
      expect(actions.length).toBeLessThanOrEqual(limits.maxRounds);
      if (last(actions).do === 'freeze') expect(last(forecasts)!).toBeLessThanOrEqual(limits.freezeBudgetMs);
      let duty = 1;
      for (const action of actions) {
        if (action.do !== 'round') continue;
        expect(action.dutyRatio).toBeLessThanOrEqual(duty);
        expect(action.dutyRatio).toBeGreaterThanOrEqual(limits.slowestDutyRatio);
        duty = action.dutyRatio;
      }
    }));
  });

  it('never refuses a thread that stands still, where the budget exceeds the fixed cost and a round', () => {
    fc.assert(fc.property(fc.integer({ min: 4_096, max: 500 * MB }), (imageBytes) => {
      expect(last(copy({ imageBytes, dirtyPerSecond: 0, linkPerSecond: 2_000 * MB }).actions).do).toBe('freeze');
    }));
  });
});

describe('the time to move', () => {
  const planned = { stateBytes: 200 * MB, dirtyBytesPerSecond: 20 * MB, linkBytesPerSecond: 1_000 * MB };
  it('grows with state and dirty rate, and shrinks with the link', () => {
    fc.assert(fc.property(fc.integer({ min: MB, max: 4_000 * MB }), fc.integer({ min: 0, max: 2_000 * MB }), fc.integer({ min: MB, max: 4_000 * MB }), fc.double({ min: 1, max: 4, noNaN: true }), (stateBytes, dirty, link, more) => {
      const base = timeToMove(UNTAUGHT_MOVES, { stateBytes, dirtyBytesPerSecond: dirty, linkBytesPerSecond: link }).totalMsP50;
      const slack = base * 1e-9;
      expect(timeToMove(UNTAUGHT_MOVES, { stateBytes: stateBytes * more, dirtyBytesPerSecond: dirty, linkBytesPerSecond: link }).totalMsP50).toBeGreaterThanOrEqual(base - slack);
      expect(timeToMove(UNTAUGHT_MOVES, { stateBytes, dirtyBytesPerSecond: dirty * more, linkBytesPerSecond: link }).totalMsP50).toBeGreaterThanOrEqual(base - slack);
    }));
    expect(timeToMove(UNTAUGHT_MOVES, { ...planned, linkBytesPerSecond: 100 * MB }).totalMsP50).toBeGreaterThan(timeToMove(UNTAUGHT_MOVES, planned).totalMsP50 * 5);
  });

  it('says when the rounds will not shrink by themselves', () => {
    expect(timeToMove(UNTAUGHT_MOVES, planned).converges).toBe(true);
    expect(timeToMove(UNTAUGHT_MOVES, { ...planned, dirtyBytesPerSecond: 2_000 * MB }).converges).toBe(false);
  });

  it('learns that moves take three times as long, and becomes surer of it', () => {
    let model = UNTAUGHT_MOVES;
    const before = timeToMove(model, planned);
    for (let i = 0; i < 12; i++) model = learnMove(model, { ...planned, totalMs: before.totalMsP50 * 3 * (i % 2 === 0 ? 1.1 : 0.9) });
    const after = timeToMove(model, planned);
    expect(after.totalMsP50 / before.totalMsP50).toBeGreaterThan(2.6);
    expect(after.totalMsP50 / before.totalMsP50).toBeLessThan(3.4);
    expect(after.totalMsP90 / after.totalMsP50).toBeLessThan(before.totalMsP90 / before.totalMsP50);
  });
});
