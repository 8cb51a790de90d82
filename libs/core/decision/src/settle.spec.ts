import { settle, type Action, type Decision, type Observed } from './index.js';
import { NOW_MS, threadId } from './spec/cluster.js';

const decision = (action: Action, expectedGainCoreSeconds = 3, costCoreSeconds = 0.2): Decision => ({
  decision: 'decision-1' as Decision['decision'], thread: threadId('t'), atMs: NOW_MS, action, trigger: 'predicted-exhaustion', reason: '', expectedGainCoreSeconds, costCoreSeconds, risk: 1, candidates: [],
});
const row = (value: number, steps = 10): number[] => new Array<number>(steps).fill(value);
const observed = (wish: Partial<Observed>): Observed => ({ settledAtMs: NOW_MS + 10_000, stepMs: 1_000, threadDemandCores: row(0.4), effectiveFromStep: 2, ...wish });
const at = (capacity: number, demand: number) => ({ capacityCores: row(capacity), demandCores: row(demand) });

describe('settle', () => {
  it('says that a move helped where the source would have been overloaded', () => {
    // Eight steps in which 0.2 + 0.4 cores would have met 0.3: 0.3 × 8 core-seconds.
    const result = settle(decision('migrate'), observed({ source: at(0.3, 0.2), target: at(1, 0.6) }));
    expect(result).toMatchObject({ verdict: 'helped', expectedGainCoreSeconds: 3, settledAtMs: NOW_MS + 10_000 });
    expect((result as { realisedGainCoreSeconds: number }).realisedGainCoreSeconds).toBeCloseTo(2.4, 9);
  });
  it('says that it was useless where nothing would have happened', () => {
    expect(settle(decision('migrate'), observed({ source: at(1, 0.2), target: at(1, 0.6) }))).toMatchObject({ verdict: 'useless', realisedGainCoreSeconds: 0 });
  });
  it('says that it was harmful where the target broke down instead', () => {
    const result = settle(decision('migrate'), observed({ source: at(1, 0.2), target: at(0.5, 0.8) }));
    expect(result).toMatchObject({ verdict: 'harmful', note: '3.00 core-seconds went unserved, without it 0.60; a gain of 3.00 was expected after a cost of 0.20' });
  });
  it('leaves what never took effect out', () => {
    const { effectiveFromStep: _never, ...undone } = observed({ source: at(0.3, 0.6), target: at(1, 0.2) });
    expect(settle(decision('migrate'), undone)).toMatchObject({ verdict: 'useless', realisedGainCoreSeconds: 0, note: 'the decision never took effect' });
  });
  it('counts the demand of a restored thread as won', () => {
    expect(settle(decision('restore', 3, 0), observed({ target: at(1, 0.6) }))).toMatchObject({ verdict: 'helped', realisedGainCoreSeconds: expect.closeTo(3.2, 9) });
  });
  it('weighs a throttle by what it withheld, and its end by what it set free', () => {
    expect(settle(decision('throttle'), observed({ source: at(0.5, 0.5) }))).toMatchObject({ verdict: 'helped', realisedGainCoreSeconds: expect.closeTo(3.2, 9) });
    expect(settle(decision('unthrottle', 3, 0), observed({ source: at(1, 0.9) }))).toMatchObject({ verdict: 'helped', realisedGainCoreSeconds: expect.closeTo(3.2, 9) });
    expect(settle(decision('unthrottle', 3, 0), observed({ source: at(0.5, 0.9) }))).toMatchObject({ verdict: 'useless' });
  });
  it('says of a keep whether overload came', () => {
    expect(settle(decision('keep', 0, 0), observed({ source: at(1, 0.5) }))).toMatchObject({ verdict: 'helped' });
    expect(settle(decision('keep', 0, 0), observed({ source: at(0.4, 0.5) }))).toMatchObject({ verdict: 'useless', note: 'nothing was done, and 1.00 core-seconds of overload came' });
  });
  it('refuses rows that do not fit, with the field', () => {
    expect(settle(decision('migrate'), observed({ source: { capacityCores: row(1, 3), demandCores: row(1, 4) } }))).toMatchObject({ refused: true, field: 'source.capacityCores' });
  });
});
