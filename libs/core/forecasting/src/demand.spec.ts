import fc from 'fast-check';
import { Xoshiro128 } from '@godwit/kernel';
import { deviceDemand, freshThreadDemand, threadDemand, threadLoadOf, type ThreadDemandState, type ThreadLoad } from './demand.js';
import { assessRisk } from './risk.js';
import { Series } from './series.js';
import { normal } from './synthetic.js';

const CAP_CORES = 0.5;
const COST = 0.001;

/** A thread of 1 ms a record under a cap of half a core: arrivals climb from 200/s by 2/s each second, and it can consume 500/s. */
function* throttledThread(seconds: number, rng = Xoshiro128.seeded(1)): Generator<ThreadLoad & { arrivals: number }> {
  let backlog = 0;
  for (let s = 0; s < seconds; s++) {
    const arrivals = Math.max(0, 200 + 2 * s + 5 * normal(rng));
    const consumed = Math.min(backlog + arrivals, CAP_CORES / COST);
    backlog += arrivals - consumed;
    const usageCores = consumed * COST;
    yield { usageCores, throttledRatio: usageCores >= CAP_CORES ? 0.5 : 0, consumedPerSecond: consumed, backlogRecords: backlog, arrivals };
  }
}

describe('demand of a thread', () => {
  it('passes the capacity when usage cannot, and its forecast passes it before', () => {
    const [demand, usage] = ['cpu.demand_cores', 'cpu.cores'].map((resource) => new Series({ resource, unit: 'cores', floor: 0 }));
    let state: ThreadDemandState = freshThreadDemand;
    let second = 0;
    let foreseenAt: number | undefined;
    for (const load of throttledThread(200)) {
      const result = threadDemand(state, load, second * 1_000);
      state = result.state;
      demand!.observe(result.demandCores, second * 1_000);
      usage!.observe(load.usageCores, second * 1_000);
      second++;
      if (second > 60 && foreseenAt === undefined) {
        if (assessRisk(demand!.forecast(second * 1_000, 30_000)!, CAP_CORES).probability > 0.5) foreseenAt = second;
      }
    }
    // Arrivals pass 500/s at second 150.
    expect(foreseenAt!).toBeLessThan(140);
    expect(foreseenAt!).toBeGreaterThan(100);
    const ahead = demand!.forecast(200_000, 30_000)!;
    expect(ahead.values[4]!).toBeGreaterThan(CAP_CORES * 1.1);
    expect(assessRisk(ahead, CAP_CORES).probability).toBeGreaterThan(0.99);
    expect(assessRisk(usage!.forecast(200_000, 30_000)!, CAP_CORES * 1.1).probability).toBeLessThan(0.25);
  });

  it('learns what a record costs', () => {
    let state: ThreadDemandState = freshThreadDemand;
    let cost: number | null = null;
    let atMs = 0;
    for (const load of throttledThread(60)) ({ state, coreSecondsPerRecord: cost } = threadDemand(state, load, (atMs += 1_000)));
    expect(cost!).toBeCloseTo(COST, 6);
  });

  it('is the arriving work, once the backlog shrinks', () => {
    const steady: ThreadLoad = { usageCores: 0.5, arrivedPerSecond: 300, consumedPerSecond: 500, backlogRecords: 0, throttledRatio: 0.4 };
    let state: ThreadDemandState = freshThreadDemand;
    let demandCores = NaN;
    for (let s = 0; s < 30; s++) ({ state, demandCores } = threadDemand(state, steady, s * 1_000));
    expect(demandCores).toBeCloseTo(0.3, 6);
  });

  it('counts a standing backlog as work to be done in time', () => {
    const standing: ThreadLoad = { usageCores: 0.3, arrivedPerSecond: 300, consumedPerSecond: 300, backlogRecords: 6_000 };
    let state: ThreadDemandState = freshThreadDemand;
    let demandCores = NaN;
    for (let s = 0; s < 30; s++) ({ state, demandCores } = threadDemand(state, standing, s * 1_000));
    expect(demandCores).toBeCloseTo(0.3 + (6_000 * 0.001) / 60, 6);
  });

  it('without records, is what it would use unheld, at most what one thread can', () => {
    expect(threadDemand(freshThreadDemand, { usageCores: 0.3, throttledRatio: 0.5 }, 0).demandCores).toBeCloseTo(0.6, 9);
    expect(threadDemand(freshThreadDemand, { usageCores: 0.3, throttledRatio: 0.9 }, 0).demandCores).toBe(1);
    expect(threadDemand(freshThreadDemand, { usageCores: 0.3 }, 0).demandCores).toBe(0.3);
  });

  it('learns nothing from a reading out of order', () => {
    const load: ThreadLoad = { usageCores: 0.2, consumedPerSecond: 100, backlogRecords: 0 };
    const { state } = threadDemand(threadDemand(freshThreadDemand, load, 0).state, load, 1_000);
    expect(threadDemand(state, { ...load, usageCores: 9 }, 500).state).toBe(state);
  });

  it('is finite and never negative, whatever is read', () => {
    const number = fc.oneof(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.double());
    const load = fc.record(
      { usageCores: number, throttledRatio: number, arrivedPerSecond: number, consumedPerSecond: number, backlogRecords: number },
      { requiredKeys: ['usageCores'] },
    );
    fc.assert(fc.property(fc.array(fc.tuple(load, fc.integer({ min: -5_000, max: 100_000 })), { maxLength: 20 }), (loads) => {
      let state: ThreadDemandState = freshThreadDemand;
      let atMs = 0;
      for (const [each, movedMs] of loads) {
        const result = threadDemand(state, each, (atMs += movedMs));
        state = result.state;
        expect(Number.isFinite(result.demandCores) && result.demandCores >= 0).toBe(true);
      }
    }));
  });

  it('reads the metrics by their names, and absent ones stay absent', () => {
    expect(threadLoadOf({ 'cpu.cores': 0.2, 'input.backlog_records': 3 })).toEqual({ usageCores: 0.2, backlogRecords: 3 });
    expect(threadLoadOf({ 'input.backlog_records': 3 })).toBeUndefined();
  });
});

describe('demand of a device', () => {
  it('adds what its threads would use to its base', () => {
    const { demandCores, baseCores } = deviceDemand({ usageCores: 1 }, [{ usageCores: 0.5, demandCores: 0.9 }, { usageCores: 0.3, demandCores: 0.2 }]);
    expect(baseCores).toBeCloseTo(0.2, 9);
    expect(demandCores).toBeCloseTo(1.3, 9);
  });

  it('is at least its usage and the waiting that pressure shows', () => {
    expect(deviceDemand({ usageCores: 1, pressureRatio: 0.4 }, [{ usageCores: 1, demandCores: 1 }]).demandCores).toBeCloseTo(1.4, 9);
  });
});
