import { Xoshiro128 } from '@godwit/kernel';
import fc from 'fast-check';
import { DeviceHealth } from './index.js';

const HORIZON_MS = 60_000;
const T = 1_700_000_000_000;
/** Lets `seconds` pass, a reading each second; answers the time after it. */
function pass(health: DeviceHealth, seconds: number, reading: (second: number) => Record<string, number>, fromMs = T): number {
  for (let s = 0; s < seconds; s++) health.observe(reading(s), fromMs + s * 1_000);
  return fromMs + (seconds - 1) * 1_000;
}
const after = (seconds: number, reading: (second: number) => Record<string, number>) => {
  const health = new DeviceHealth();
  return health.assess(pass(health, seconds, reading), HORIZON_MS);
};

describe('the probability that a device fails', () => {
  it('is nothing where nothing is told, or all is well', () => {
    expect(after(120, () => ({}))).toEqual({ probability: 0, causes: [] });
    const rng = Xoshiro128.seeded(1);
    expect(after(200, () => ({ 'temperature.celsius': 55 + 6 * rng.next(), 'errors.memory_corrected_per_second': 0, 'cpu.cores': 3 })).probability).toBeLessThan(0.001);
  });

  it('rises while the temperature climbs towards its critical point, and names it with the time that is left', () => {
    const climb = (second: number): Record<string, number> => ({ 'temperature.margin_celsius': 40 - 0.3 * second, 'temperature.celsius': 60 });
    const risks = [20, 60, 100].map((seconds) => after(seconds, climb));
    expect(risks[0]!.probability).toBeLessThan(0.2);
    expect(risks[2]!.probability).toBeGreaterThan(0.8);
    expect(risks[1]!.probability).toBeGreaterThanOrEqual(risks[0]!.probability);
    expect(risks[2]!.causes[0]).toMatchObject({ cause: 'temperature', detail: expect.stringMatching(/rising 18\.\d °C a minute, critical in 3\d s/) });
  });

  it('is not moved by a hot but steady device, by a cooling one, or by a few wrong readings', () => {
    expect(after(120, () => ({ 'temperature.margin_celsius': 8 })).probability).toBeLessThan(0.01);
    expect(after(120, (s) => ({ 'temperature.margin_celsius': 5 + 0.2 * s })).probability).toBeLessThan(0.01);
    expect(after(120, (s) => ({ 'temperature.margin_celsius': s % 13 === 0 ? -50 : 30 })).probability).toBeLessThan(0.01);
  });

  it('is high at the critical point itself, and forgets a trend that is no longer told', () => {
    const health = new DeviceHealth();
    const nowMs = pass(health, 60, () => ({ 'temperature.margin_celsius': 0 }));
    expect(health.assess(nowMs, HORIZON_MS).probability).toBeGreaterThan(0.4);
    expect(health.assess(nowMs + 60_000, HORIZON_MS).probability).toBe(0);
  });

  it('takes one uncorrected error for a warning, ten for an alarm, and lets both fade', () => {
    const errors = (count: number) => (second: number): Record<string, number> => ({ 'errors.memory_uncorrected_per_second': second > 0 && second <= count ? 1 : 0 });
    const [one, ten] = [after(30, errors(1)).probability, after(30, errors(10)).probability];
    expect(one).toBeGreaterThan(0.05);
    expect(one).toBeLessThan(0.2);
    expect(ten).toBeGreaterThan(0.5);
    expect(after(3_000, errors(10)).probability).toBeLessThan(0.02);
  });

  it.each([
    ['corrected memory errors in streams', { 'errors.memory_corrected_per_second': 100 }, 'memory-errors'],
    ['a failing disk', { 'errors.disk_per_second': 2 }, 'disk-errors'],
    ['a failing link', { 'errors.network_per_second': 500 }, 'network-errors'],
    ['a GPU with uncorrected errors', { 'gpu.1.uncorrected_errors_per_second': 0.2 }, 'accelerator-errors'],
  ])('names %s', (_, reading, cause) => {
    const { probability, causes } = after(300, () => reading);
    expect(causes[0]!.cause).toBe(cause);
    expect(probability).toBeGreaterThan(0.1);
  });

  it('takes throttling for a small matter, and the sum of causes for more than the gravest', () => {
    const throttling = after(300, () => ({ 'cpu.thermal_throttles_per_second': 3 }));
    expect(throttling.probability).toBeGreaterThan(0.01);
    expect(throttling.probability).toBeLessThan(0.2);
    const both = after(300, () => ({ 'cpu.thermal_throttles_per_second': 3, 'errors.disk_per_second': 2 }));
    expect(both.probability).toBeGreaterThan(both.causes[0]!.probability);
    expect(both.causes.length).toBe(2);
  });

  it('sees the temperature of an accelerator', () => {
    expect(after(100, (s) => ({ 'gpu.0.temperature_celsius': 70 + 0.25 * s })).causes[0]).toMatchObject({ cause: 'temperature', detail: expect.stringContaining('gpu.0') });
  });

  it('grows with the horizon and stays a probability, whatever comes in whatever order', () => {
    const value = fc.oneof(fc.double(), fc.double({ min: -10, max: 100 }), fc.constantFrom(NaN, Infinity, 0));
    const reading = fc.dictionary(fc.constantFrom('temperature.celsius', 'temperature.margin_celsius', 'errors.disk_per_second', 'gpu.0.temperature_celsius', 'x'), value, { maxKeys: 4 });
    fc.assert(fc.property(fc.array(fc.tuple(reading, fc.oneof(fc.integer({ min: -100, max: 20_000 }), fc.constant(NaN))), { maxLength: 60 }), (steps) => {
      const health = new DeviceHealth();
      let atMs = T;
      for (const [one, moved] of steps) health.observe(one, Number.isNaN(moved) ? NaN : (atMs += moved));
      const risks = [1_000, 60_000, 600_000].map((horizonMs) => health.assess(atMs, horizonMs).probability);
      for (const risk of risks) expect(risk >= 0 && risk <= 1).toBe(true);
    }));
  });
});
