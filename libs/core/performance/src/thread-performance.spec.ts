import { Xoshiro128, type Rng } from '@godwit/kernel';
import fc from 'fast-check';
import { ThreadPerformance, type PerformanceReading } from './index.js';

/** A queue: service time over what is free, with some noise. */
const answer = (rng: Rng, serviceMs: number, utilisation: number): number => (serviceMs / (1 - utilisation)) * Math.exp(0.1 * (rng.next() - 0.5));
function visit(model: ThreadPerformance, rng: Rng, at: { device: string; kind: string; serviceMs: number; readings: number; from?: number; to?: number }): void {
  const { device, kind, serviceMs, readings, from = 0.2, to = 0.8 } = at;
  for (let i = 0; i < readings; i++) {
    const utilisationRatio = from + (to - from) * rng.next();
    const latencyMsP50 = answer(rng, serviceMs, utilisationRatio);
    model.observe({ device, kind, utilisationRatio, latencyMsP50, latencyMsP99: 4 * latencyMsP50, consumedPerSecond: 50, usedCores: serviceMs / 20 });
  }
}
const at = (device: string, kind: string, utilisationRatio: number) => ({ device, kind, utilisationRatio, availableCores: 1 });

describe('the performance of a thread', () => {
  it('is known where it ran: within a tenth at any utilisation, also beyond those it has seen', () => {
    const model = new ThreadPerformance();
    visit(model, Xoshiro128.seeded(1), { device: 'a', kind: 'cpu', serviceMs: 2, readings: 200, to: 0.6 });
    for (const utilisation of [0.1, 0.5, 0.9]) {
      const { latencyMsP50, latencyMsP99, basis } = model.predict(at('a', 'cpu', utilisation))!;
      expect(Math.abs(Math.log(latencyMsP50! / (2 / (1 - utilisation))))).toBeLessThan(0.1);
      expect(latencyMsP99! / latencyMsP50!).toBeCloseTo(4, 0);
      expect(basis).toBe('device');
    }
  });

  it('is that of its kind on a device where it never ran, and leans on its own history there soon', () => {
    const model = new ThreadPerformance();
    const rng = Xoshiro128.seeded(2);
    for (const device of ['a', 'b', 'c']) visit(model, rng, { device, kind: 'cpu', serviceMs: 4, readings: 60 });
    visit(model, rng, { device: 'g', kind: 'gpu', serviceMs: 0.5, readings: 60 });
    const fresh = model.predict(at('d', 'cpu', 0.5))!;
    expect(fresh.basis).toBe('kind');
    expect(fresh.latencyMsP50!).toBeGreaterThan(5);
    expect(fresh.latencyMsP50!).toBeLessThan(10);
    expect(model.predict(at('h', 'gpu', 0.5))!.latencyMsP50!).toBeLessThan(2.5);
    const errorAfter = (readings: number): number => {
      visit(model, rng, { device: 'd', kind: 'cpu', serviceMs: 20, readings });
      return Math.abs(Math.log(model.predict(at('d', 'cpu', 0.5))!.latencyMsP50! / 40));
    };
    const [first, later] = [errorAfter(3), errorAfter(60)];
    expect(first).toBeLessThan(Math.abs(Math.log(fresh.latencyMsP50! / 40)));
    expect(later).toBeLessThan(0.25);
  });

  it('says so where only other kinds are known, and nothing where nothing is', () => {
    const model = new ThreadPerformance();
    expect(model.predict(at('a', 'cpu', 0.5))).toBeUndefined();
    visit(model, Xoshiro128.seeded(3), { device: 'g', kind: 'gpu', serviceMs: 1, readings: 20 });
    expect(model.predict(at('a', 'cpu', 0.5))).toMatchObject({ basis: 'other' });
    expect(model.predict(at('a', 'cpu', NaN))).toBeUndefined();
  });

  it('does not take a slow busy device for a steep curve', () => {
    const model = new ThreadPerformance();
    const rng = Xoshiro128.seeded(4);
    visit(model, rng, { device: 'fast', kind: 'cpu', serviceMs: 1, readings: 80, from: 0.1, to: 0.3 });
    visit(model, rng, { device: 'slow', kind: 'cpu', serviceMs: 50, readings: 80, from: 0.7, to: 0.9 });
    expect(model.predict(at('fast', 'cpu', 0.8))!.latencyMsP50!).toBeLessThan(10);
  });

  it('has the throughput that its cost of a record allows', () => {
    const model = new ThreadPerformance();
    visit(model, Xoshiro128.seeded(5), { device: 'a', kind: 'cpu', serviceMs: 10, readings: 100 });
    expect(model.predict({ ...at('a', 'cpu', 0.5), availableCores: 0.25 })!.throughputPerSecond!).toBeCloseTo(25, 0);
    expect(model.predict({ ...at('a', 'cpu', 0.5), availableCores: 0 })!.throughputPerSecond).toBe(0);
  });

  it('rises with utilisation, is finite and never negative, whatever was read', () => {
    const number = fc.oneof(fc.double(), fc.double({ min: 0, max: 2 }), fc.constantFrom(NaN, Infinity, -1, 0, 1e300, undefined));
    const reading = fc.record({ device: fc.constantFrom('a', 'b', 'c'), kind: fc.constantFrom('cpu', 'gpu'), utilisationRatio: fc.double(), latencyMsP50: number, latencyMsP99: number, consumedPerSecond: number, usedCores: number });
    fc.assert(fc.property(fc.array(reading, { maxLength: 40 }), fc.constantFrom('a', 'x'), (readings, device) => {
      const model = new ThreadPerformance();
      for (const one of readings) model.observe(one as PerformanceReading);
      for (const utilisation of [0, 0.5, 1, 7]) {
        const predicted = model.predict(at(device, 'cpu', utilisation));
        for (const value of [predicted?.latencyMsP50, predicted?.latencyMsP99, predicted?.throughputPerSecond]) if (value !== undefined) expect(value >= 0 && !Number.isNaN(value)).toBe(true);
        if (predicted?.latencyMsP99 !== undefined) expect(predicted.latencyMsP99).toBeGreaterThanOrEqual(predicted.latencyMsP50 ?? 0);
      }
    }));
  });

  it('remembers the devices of late only', () => {
    const model = new ThreadPerformance();
    for (let i = 0; i < 100; i++) visit(model, Xoshiro128.seeded(i), { device: `d${i}`, kind: `k${i}`, serviceMs: 1, readings: 2 });
    expect(model.predict(at('d99', 'k99', 0.5))).toMatchObject({ basis: 'device' });
    expect(model.predict(at('d0', 'k0', 0.5))).toMatchObject({ basis: 'other' });
  });
});
