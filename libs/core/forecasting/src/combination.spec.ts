import { Xoshiro128, type Rng } from '@godwit/kernel';
import { Combination } from './combination.js';
import { evaluateModels, type Coverage } from './evaluation.js';
import { LEVELS } from './levels.js';
import type { ModelDefinition } from './model.js';
import { MODELS } from './models.js';
import { ar1, noise, ramp, randomWalk } from './synthetic.js';

const OPTIONS = { levels: LEVELS, maxHorizonSteps: 32, priorSpread: 0 };
const LEADS = Int32Array.of(1, 2, 5, 10, 20, 30);
const naive = (): ReturnType<ModelDefinition['create']> => MODELS[0]!.create(OPTIONS);
const combined = (): Combination => new Combination(MODELS, OPTIONS);

function compare(make: (rng: Rng) => number[]): { pinball: number; absolute: number; coverage: Coverage } {
  let [own, peer, ownAbsolute, peerAbsolute] = [0, 0, 0, 0];
  const coverage = { p50: 0, p80: 0, p95: 0 };
  const seeds = [11, 12, 13, 14];
  for (const seed of seeds) {
    const values = make(Xoshiro128.seeded(seed));
    const score = evaluateModels([combined()], values, { leads: LEADS, warmUpSteps: 100 }).scores[0]!;
    const reference = evaluateModels([naive()], values, { leads: LEADS, warmUpSteps: 100 }).scores[0]!;
    own += score.pinballLoss;
    peer += reference.pinballLoss;
    ownAbsolute += score.absoluteError;
    peerAbsolute += reference.absoluteError;
    coverage.p50 += score.coverage.p50 / seeds.length;
    coverage.p80 += score.coverage.p80 / seeds.length;
    coverage.p95 += score.coverage.p95 / seeds.length;
  }
  return { pinball: own / peer, absolute: ownAbsolute / peerAbsolute, coverage };
}

describe('the combination', () => {
  it('loses at most 5 % to the last value on random walks, where nothing can be predicted', () => {
    const { pinball, absolute } = compare((rng) => randomWalk(rng, 1_000));
    expect(pinball).toBeLessThan(1.05);
    expect(absolute).toBeLessThan(1.05);
  });

  it('beats the last value by a fifth on noise, and clearly on what returns to a mean', () => {
    expect(compare((rng) => noise(rng, 600)).pinball).toBeLessThan(0.8);
    expect(compare((rng) => ar1(rng, 600, 0.7)).pinball).toBeLessThan(0.85);
  });

  it('makes less than a third of the error of the last value on a ramp', () => {
    const { absolute } = compare((rng) => ramp(rng, 400, 0.5, 0.5));
    expect(absolute).toBeLessThan(0.33);
  });

  it('covers about what its intervals promise on noise and on AR(1)', () => {
    for (const make of [(rng: Rng) => noise(rng, 1_000), (rng: Rng) => ar1(rng, 1_000, 0.6)]) {
      const { p95: wide95, p80: wide80 } = compare(make).coverage;
      expect(Math.abs(wide95 - 0.95)).toBeLessThan(0.03);
      expect(Math.abs(wide80 - 0.8)).toBeLessThan(0.05);
    }
  });

  it('says whose forecast it is: weights add up to one, and the best model leads', () => {
    const model = combined();
    for (const value of ramp(Xoshiro128.seeded(21), 300, 1, 0.3)) model.update(value);
    const shares = model.shares(32);
    expect(shares.reduce((sum, share) => sum + share.weight, 0)).toBeCloseTo(1, 9);
    const seasonal = ['holt-winters', 'seasonal-naive'];
    expect(shares.map((share) => share.name).sort()).toEqual(MODELS.map((definition) => definition.name).filter((name) => !seasonal.includes(name)).sort());
    const naiveLoss = shares.find((share) => share.name === 'last-value')!.pinballLoss!;
    expect(shares[0]!.name).not.toBe('last-value');
    expect(shares[0]!.pinballLoss!).toBeLessThan(naiveLoss / 3);
    expect(model.recentLoss(32)!).toBeLessThan(naiveLoss / 3);
  });

  it('knows no loss before a forecast was settled', () => {
    const model = combined();
    model.update(1);
    expect(model.recentLoss(8)).toBeNull();
    expect(model.shares(8).every((share) => share.pinballLoss === null)).toBe(true);
  });

  it('shifts its weight when the series changes its nature', () => {
    const model = combined();
    const weightOf = (name: string): number => model.shares(32).find((share) => share.name === name)!.weight;
    for (const value of noise(Xoshiro128.seeded(22), 300, 10, 1)) model.update(value);
    const before = weightOf('damped-trend') + weightOf('differenced-autoregression');
    for (const value of ramp(Xoshiro128.seeded(23), 150, 1, 0.3, 10)) model.update(value);
    const after = weightOf('damped-trend') + weightOf('differenced-autoregression');
    expect(before).toBeLessThan(0.3);
    expect(after).toBeGreaterThan(0.5);
  });

  it('charges nobody for steps that were not seen', () => {
    const model = combined();
    for (const value of noise(Xoshiro128.seeded(24), 100)) model.update(value);
    const before = model.recentLoss(1);
    model.skip(50);
    model.update(1_000);
    expect(model.recentLoss(1)).toBe(before);
  });
});
