import fc from 'fast-check';
import { Xoshiro128 } from '@godwit/kernel';
import { Abstention } from './abstention.js';
import { Combination } from './combination.js';
import { DriftDetector } from './drift.js';
import { evaluateModels } from './evaluation.js';
import { KindMemory } from './kind-memory.js';
import { LeadGrid } from './lead-grid.js';
import { LEVELS } from './levels.js';
import { MODELS } from './models.js';
import { RISK_THRESHOLD_LIMITS, RiskThresholds } from './risk-thresholds.js';
import { Series } from './series.js';
import { noise, normal, randomWalk } from './synthetic.js';

const OPTIONS = { levels: LEVELS, maxHorizonSteps: 64, priorSpread: 0 };
const T0 = 1_800_000_000_000;

describe('drift detection', () => {
  const run = (losses: readonly number[]): number[] => {
    const detector = new DriftDetector();
    return losses.flatMap((loss, t) => (detector.update(loss) ? [t] : []));
  };
  const usual = (seed: number, steps: number, size = 1): number[] => {
    const rng = Xoshiro128.seeded(seed);
    return Array.from({ length: steps }, () => size * Math.abs(normal(rng)));
  };

  it('is silent on losses as ever, whatever their unit', () => {
    for (let seed = 1; seed <= 10; seed++) expect(run(usual(seed, 3_000, 10 ** (seed - 5)))).toEqual([]);
  });
  it('raises the alarm within a minute of steps when losses grow threefold', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const [alarm] = run([...usual(seed, 500), ...usual(seed + 20, 60, 3)]);
      expect(alarm).toBeGreaterThanOrEqual(500);
    }
  });
  it('does not take one burst for drift', () => {
    expect(run([...usual(1, 300), 1_000, 500, ...usual(2, 300)])).toEqual([]);
  });
  it('shows in the forecast, and passes', () => {
    const series = new Series({ resource: 'a', unit: 'b' });
    const driftAt = (from: number, values: readonly number[]): boolean[] => values.map((value, i) => {
      series.observe(value, T0 + (from + i) * 1_000);
      return series.forecast(T0 + (from + i + 1) * 1_000, 1_000)!.drift;
    });
    expect(driftAt(0, noise(Xoshiro128.seeded(5), 300, 10, 0.1))).not.toContain(true);
    expect(driftAt(300, noise(Xoshiro128.seeded(6), 60, 10, 2))).toContain(true);
    expect(driftAt(360, noise(Xoshiro128.seeded(7), 300, 10, 2)).at(-1)).toBe(false);
  });
});

describe('abstention', () => {
  /** Median of a row after `steps` of a world in which a share of every expected change comes true. */
  const believed = (comesTrue: number, seed: number): number => {
    const abstention = new Abstention(new LeadGrid(4));
    const rng = Xoshiro128.seeded(seed);
    let [value, expected] = [0, 0];
    for (let t = 0; t < 400; t++) {
      value += comesTrue * expected + 0.3 * normal(rng);
      abstention.settle(value);
      expected = normal(rng);
      abstention.issue(new Float64Array(3).fill(value + expected), 1, 0, value);
    }
    const row = Float64Array.of(11);
    abstention.apply(Int32Array.of(1), row, 1, 0, 10);
    return row[0]! - 10;
  };
  it('believes what comes true, and nothing of what does not', () => {
    for (const seed of [1, 2, 3]) {
      expect(believed(1, seed)).toBeGreaterThan(0.9);
      expect(believed(0, seed)).toBeLessThan(0.15);
      expect(Math.abs(believed(0.5, seed) - 0.5)).toBeLessThan(0.2);
    }
  });
});

describe('the memory of a kind', () => {
  const follow = (memory: KindMemory, values: readonly number[]): Combination => {
    const model = new Combination(MODELS, OPTIONS, { kind: memory.of('worker') });
    for (const value of values) model.update(value);
    return model;
  };
  it('lends a new series the weights that its kind has earned', () => {
    const memory = new KindMemory();
    for (let seed = 1; seed <= 8; seed++) follow(memory, noise(Xoshiro128.seeded(seed), 400));
    const young = noise(Xoshiro128.seeded(99), 12);
    const weightOf = (model: Combination): number => model.shares(64).find(({ name }) => name === 'last-value')!.weight;
    expect(weightOf(follow(memory, young))).toBeLessThan(weightOf(follow(new KindMemory(), young)));
  });
  it('lends the relative spread: a series with one value has an interval', () => {
    const memory = new KindMemory();
    const options = { resource: 'a', unit: 'b', memory, kindName: 'worker' };
    const mature = new Series(options);
    noise(Xoshiro128.seeded(1), 200, 10, 1).forEach((value, t) => mature.observe(value, T0 + t * 1_000));
    const young = new Series(options);
    young.observe(100, T0);
    const { values } = young.forecast(T0 + 1_000, 1_000)!;
    expect(values[8]! - values[0]!).toBeGreaterThan(20);
    expect(values[8]! - values[0]!).toBeLessThan(150);
  });
  it('keeps a bounded number of kinds', () => {
    const memory = new KindMemory(9, 64, 10);
    const first = memory.of('0');
    for (let k = 1; k < 10; k++) memory.of(String(k));
    expect(memory.of('0')).toBe(first);
    memory.of('10');
    expect(memory.size).toBe(10);
    expect(memory.of('0')).toBe(first);
  });
});

describe('calibration', () => {
  it('widens what is too narrow: random walks are covered as promised at long leads, once the kind has learnt', () => {
    const kind = new KindMemory().of('walks');
    for (let seed = 1; seed <= 10; seed++) {
      const model = new Combination(MODELS, OPTIONS, { kind });
      for (const value of randomWalk(Xoshiro128.seeded(seed), 400)) model.update(value);
    }
    const coverage = { p50: 0, p80: 0, p95: 0 };
    const seeds = [101, 102, 103, 104, 105, 106, 107, 108];
    for (const seed of seeds) {
      const { scores } = evaluateModels([new Combination(MODELS, OPTIONS, { kind })], randomWalk(Xoshiro128.seeded(seed), 500), { leads: Int32Array.of(20, 40, 60), warmUpSteps: 100, everySteps: 5 });
      for (const share of ['p50', 'p80', 'p95'] as const) coverage[share] += scores[0]!.fairCoverage[share] / seeds.length;
    }
    expect(Math.abs(coverage.p80 - 0.8)).toBeLessThan(0.09);
    expect(Math.abs(coverage.p95 - 0.95)).toBeLessThan(0.05);
  });
});

describe('risk thresholds', () => {
  it('rise when a forecast misled, fall slowly when it helped, and stay within their bounds', () => {
    const { initial, least, most } = RISK_THRESHOLD_LIMITS;
    fc.assert(fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (outcomes) => {
      const thresholds = new RiskThresholds();
      let before = thresholds.of('thread:solver');
      expect(before).toBe(initial);
      for (const helped of outcomes) {
        thresholds.settle({ kind: 'thread:solver', helped, models: [] });
        const after = thresholds.of('thread:solver');
        if (helped) expect(after).toBeLessThanOrEqual(before);
        else expect(after).toBeGreaterThan(before);
        expect(after >= least && after <= most).toBe(true);
        before = after;
      }
      expect(thresholds.of('device:cpu')).toBe(initial);
    }));
  });
  it('rise further on one failure than one success brings them down', () => {
    const thresholds = new RiskThresholds();
    thresholds.settle({ kind: 'a', helped: false, models: [] });
    thresholds.settle({ kind: 'a', helped: true, models: [] });
    expect(thresholds.of('a')).toBeGreaterThan(RISK_THRESHOLD_LIMITS.initial);
  });
  it('tell what each model led to, and keep a bounded number of kinds', () => {
    const thresholds = new RiskThresholds({ ...RISK_THRESHOLD_LIMITS, mostKinds: 3 });
    expect(thresholds.recordOf('arima')).toBeUndefined();
    const models = [{ name: 'arima', weight: 0.75, pinballLoss: 1 }, { name: 'lstm', weight: 0.25, pinballLoss: 1 }];
    for (const kind of ['a', 'b', 'c', 'd']) thresholds.settle({ kind, helped: kind === 'a', models });
    expect(thresholds.recordOf('arima')).toEqual({ helped: 0.75, misled: 2.25 });
    expect(thresholds.of('a')).toBe(RISK_THRESHOLD_LIMITS.initial);
    expect(thresholds.of('d')).toBeGreaterThan(RISK_THRESHOLD_LIMITS.initial);
  });
});
