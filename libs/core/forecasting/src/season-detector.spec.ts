import { Xoshiro128 } from '@godwit/kernel';
import { Combination } from './combination.js';
import { evaluateModels } from './evaluation.js';
import { LEVELS } from './levels.js';
import { MODELS } from './models.js';
import { SeasonDetector } from './season-detector.js';
import { ar1, noise, ramp, randomWalk, season } from './synthetic.js';

const OPTIONS = { levels: LEVELS, maxHorizonSteps: 32, priorSpread: 0 };
const detected = (values: readonly number[]): number => {
  const detector = new SeasonDetector();
  for (const value of values) detector.update(value);
  return detector.period;
};
const pulses = (period: number, steps: number): number[] => Array.from({ length: steps }, (_, t) => (t % period === 0 ? 4 : 1));

describe('season detection', () => {
  it.each([[5, 100], [12, 150], [60, 400], [288, 1_150]])('finds a season of %d steps within %d', (period, steps) => {
    expect(Math.abs(detected(season(Xoshiro128.seeded(1), steps, period, 3, 0.5)) - period)).toBeLessThanOrEqual(period / 20);
  });

  it('finds a cycle of pulses exactly', () => {
    expect(detected(pulses(5, 80))).toBe(5);
  });

  it.each([1, 2, 3, 4, 5, 6])('sees none in noise, in what returns to a mean, nor in a ramp (seed %d)', (seed) => {
    expect(detected(noise(Xoshiro128.seeded(seed), 600))).toBe(0);
    expect(detected(ar1(Xoshiro128.seeded(seed), 600, 0.8))).toBe(0);
    expect(detected(ramp(Xoshiro128.seeded(seed), 600, 0.1, 1))).toBe(0);
  });

  it('forgets a season that has ended', () => {
    expect(detected([...season(Xoshiro128.seeded(2), 300, 12, 3, 0.5), ...noise(Xoshiro128.seeded(3), 2_500)])).toBe(0);
  });

  it('is not upset by gaps', () => {
    const detector = new SeasonDetector();
    pulses(5, 300).forEach((value, t) => (t % 17 === 0 ? detector.skip(1) : detector.update(value)));
    expect(detector.period).toBe(5);
  });

  it('lets the seasonal models beat the last value where there is a season, and be silent where there is none', () => {
    const names = ['last-value', 'seasonal-naive', 'holt-winters'];
    const models = MODELS.filter(({ name }) => names.includes(name)).map((definition) => definition.create(OPTIONS));
    const { scores } = evaluateModels([...models, new Combination(MODELS, OPTIONS)], season(Xoshiro128.seeded(4), 500, 24, 5, 0.5), { leads: Int32Array.of(1, 6, 12, 30), warmUpSteps: 200 });
    const [naive, seasonal, holtWinters, combined] = scores.map(({ absoluteError }) => absoluteError);
    expect(seasonal!).toBeLessThan(naive! * 0.4);
    expect(holtWinters!).toBeLessThan(naive! * 0.4);
    expect(combined!).toBeLessThan(naive! * 0.4);
    const still = new Combination(MODELS, OPTIONS);
    for (const value of randomWalk(Xoshiro128.seeded(5), 60)) still.update(value);
    const shares = still.shares(32).map(({ name }) => name);
    if (still.seasonSteps === 0) expect(shares).not.toContain('seasonal-naive');
    else expect(shares).toContain('seasonal-naive');
  });
});
