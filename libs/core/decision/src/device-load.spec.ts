import fc from 'fast-check';
import { capped, gridOf, onGrid, type Demand } from './demand-path.js';
import { DeviceLoad } from './device-load.js';
import { deviationsAt, expectedExcess, normalTail } from './normal.js';
import { NOW_MS, path, stepUp } from './spec/cluster.js';

const GRID = gridOf(NOW_MS, 60_000, 1_000);
const flat = (median: number, deviation: number): Demand => ({ median: new Float64Array(60).fill(median), deviation: new Float64Array(60).fill(deviation) });
const loadOf = (capacity: number, demands: readonly Demand[], correlation = 0, stepsPerBlock = 30): DeviceLoad => {
  const load = new DeviceLoad(GRID, new Float64Array(60).fill(capacity), correlation, stepsPerBlock);
  for (const demand of demands) load.apply({ demand, sign: 1, fromStep: 0 });
  return load;
};
const anyDemand = fc.record({ median: fc.double({ min: 0, max: 1, noNaN: true }), deviation: fc.double({ min: 0, max: 0.3, noNaN: true }) }).map((d) => flat(d.median, d.deviation));

describe('the normal distribution', () => {
  it.each([[0, 0.5], [1, 0.158655254], [1.6448536, 0.05], [3, 0.001349898], [-2, 0.977249868]])('has the tail of the tables at %p', (z, tail) => expect(normalTail(z)).toBeCloseTo(tail, 6));
  it('has its quantiles', () => {
    expect(deviationsAt(0.9)).toBeCloseTo(1.2815516, 5);
    expect(deviationsAt(0.5)).toBeCloseTo(0, 5);
  });
  it('has the excess that integration gives', () => {
    const [median, deviation, limit, width] = [0.4, 0.1, 0.45, 1e-4];
    let sum = 0;
    for (let x = limit; x < 1.5; x += width) sum += (x - limit) * Math.exp(-0.5 * ((x - median) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI)) * width;
    expect(expectedExcess(median, deviation, limit)).toBeCloseTo(sum, 5);
    expect(expectedExcess(0.5, 0, 0.3)).toBeCloseTo(0.2, 12);
  });
});

describe('a path on the grid', () => {
  it('is averaged where it is finer, held where it is coarser or over, and shifted by its age', () => {
    const path250 = { issuedAtMs: NOW_MS, stepMs: 250, p10: [0, 0, 0, 0, 0], p50: [1, 2, 3, 4, 8], p90: [1, 2, 3, 4, 8] };
    expect([...onGrid(path250, GRID).median.slice(0, 3)]).toEqual([2.5, 8, 8]);
    const path2s = { issuedAtMs: NOW_MS, stepMs: 2_000, p10: [1, 5], p50: [1, 5], p90: [1, 5] };
    expect([...onGrid(path2s, GRID).median.slice(0, 5)]).toEqual([1, 1, 5, 5, 5]);
    expect(onGrid(path(stepUp(0, 1, 10), 0, NOW_MS - 4_000), GRID).median.indexOf(1)).toBe(6);
  });
  it('never exceeds the cap of a throttle', () => {
    fc.assert(fc.property(anyDemand, fc.double({ min: 0.01, max: 1, noNaN: true }), (demand, cap) => {
      const held = capped(demand, cap);
      expect(held.median[0]!).toBeLessThanOrEqual(Math.min(cap, demand.median[0]!));
      expect(held.median[0]! + 1.2815515655 * held.deviation[0]!).toBeLessThanOrEqual(cap + 1e-9);
    }));
  });
});

describe('the load of a device', () => {
  it('is the same after a thread has come and gone', () => {
    fc.assert(fc.property(fc.array(anyDemand, { maxLength: 5 }), anyDemand, (demands, guest) => {
      const load = loadOf(1, demands, 0.3);
      const before = [load.overload(), load.risk(), load.headroom(1.28)];
      load.apply({ demand: guest, sign: 1, fromStep: 7 });
      load.apply({ demand: guest, sign: -1, fromStep: 7 });
      // The root of a rounding error near zero is larger than the error.
      [load.overload(), load.risk(), load.headroom(1.28)].forEach((value, i) => expect(Math.abs(value - before[i]!)).toBeLessThan(1e-5));
    }));
  });
  it('answers "what if" as if it had been done', () => {
    fc.assert(fc.property(fc.array(anyDemand, { maxLength: 5 }), anyDemand, fc.integer({ min: 0, max: 59 }), (demands, guest, fromStep) => {
      const load = loadOf(1, demands, 0.3);
      const change = { demand: guest, sign: 1, fromStep } as const;
      const thought = [load.overload(change), load.risk(change), load.headroom(1.28, change), load.firstStepAbove(1.28, change)];
      load.apply(change);
      expect([load.overload(), load.risk(), load.headroom(1.28), load.firstStepAbove(1.28)]).toEqual(thought);
    }));
  });
  it('rises in overload and risk with every thread', () => {
    fc.assert(fc.property(fc.array(anyDemand, { maxLength: 4 }), fc.double({ min: 0, max: 1, noNaN: true }), (demands, more) => {
      const load = loadOf(1, demands, 0.25);
      const change = { demand: flat(more, 0), sign: 1, fromStep: 0 } as const;
      expect(load.overload(change)).toBeGreaterThanOrEqual(load.overload() - 1e-9);
      expect(load.risk(change)).toBeGreaterThanOrEqual(load.risk() - 1e-9);
    }));
  });
  it('lets bursts of independent threads cancel out, and those of dependent ones add up', () => {
    const four = [1, 2, 3, 4].map(() => flat(0.2, 0.1));
    expect(loadOf(1, four, 0).deviationAt(0)).toBeCloseTo(0.2, 12);
    expect(loadOf(1, four, 1).deviationAt(0)).toBeCloseTo(0.4, 12);
    expect(loadOf(1, four, 0).risk()).toBeLessThan(loadOf(1, four, 1).risk());
  });
  it('counts risk once per block of steps whose errors hang together', () => {
    const one = normalTail(2);
    expect(loadOf(0.7, [flat(0.5, 0.1)], 0, 60).risk()).toBeCloseTo(one, 9);
    expect(loadOf(0.7, [flat(0.5, 0.1)], 0, 30).risk()).toBeCloseTo(1 - (1 - one) ** 2, 9);
    expect(loadOf(0.7, [flat(0.5, 0.1)], 0, 1).risk()).toBeCloseTo(1 - (1 - one) ** 60, 9);
  });
  it('does not take rounding for overload when demand just fills the capacity', () => {
    const load = loadOf(0.3, [flat(0.1, 0), flat(0.2, 0)]);
    expect(0.1 + 0.2 > 0.3).toBe(true);
    expect([load.risk(), load.firstStepAbove(1.28)]).toEqual([0, -1]);
  });
  it('needs no capacity that is infinite', () => {
    const load = loadOf(Infinity, [flat(5, 2)]);
    expect([load.overload(), load.risk(), load.peakRatio(), load.firstStepAbove(3)]).toEqual([0, 0, 0, -1]);
  });
});
