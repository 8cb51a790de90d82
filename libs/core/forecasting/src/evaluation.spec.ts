import fc from 'fast-check';
import { Xoshiro128 } from '@godwit/kernel';
import { evaluateModels, recallBesideReactive } from './evaluation.js';
import { eventScoresOf, overloadOnsets, recallAt } from './event-recall.js';
import { shareWithin } from './interval-coverage.js';
import { LEVELS, normalQuantile } from './levels.js';
import type { Model } from './model.js';
import { MODELS } from './models.js';
import { noise, randomWalk } from './synthetic.js';

/** Says the same whatever comes. */
const constant = (row: readonly number[]): Model => ({
  name: 'constant', update: () => undefined, skip: () => undefined,
  forecast: (leads, into) => leads.forEach((_, k) => into.set(row, k * row.length)),
});
const NORMAL_ROW = LEVELS.map((level) => 10 + normalQuantile(level));

describe('evaluation', () => {
  it('gives the last value a MASE of 1 at one step ahead, by definition', () => {
    const last: Model & { at: number } = {
      name: 'last', at: 0, update(value) { this.at = value; }, skip: () => undefined,
      forecast(leads, into) { into.fill(this.at, 0, leads.length * LEVELS.length); },
    };
    const { scores } = evaluateModels([last], randomWalk(Xoshiro128.seeded(1), 500), { leads: Int32Array.of(1) });
    expect(scores[0]!.mase).toBeCloseTo(1, 9);
    expect(scores[0]!.settled).toBe(499);
  });

  it('finds the true distribution covered as it says, and no other one with less loss', () => {
    const values = noise(Xoshiro128.seeded(2), 6_000);
    const rows = [NORMAL_ROW, NORMAL_ROW.map((value) => 10 + (value - 10) * 1.6), NORMAL_ROW.map((value) => 10 + (value - 10) * 0.6), NORMAL_ROW.map((value) => value + 0.5)];
    const { scores } = evaluateModels(rows.map(constant), values, { leads: Int32Array.of(3) });
    const { p50, p80, p95 } = scores[0]!.coverage;
    expect(Math.abs(p50 - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(p80 - 0.8)).toBeLessThan(0.02);
    expect(Math.abs(p95 - 0.95)).toBeLessThan(0.01);
    for (const other of scores.slice(1)) expect(other.pinballLoss).toBeGreaterThan(scores[0]!.pinballLoss);
  });

  it('does not score steps that are missing, nor let a model see them as values', () => {
    const values = noise(Xoshiro128.seeded(3), 100);
    for (let t = 10; t < 100; t += 10) values[t] = NaN;
    const { scores } = evaluateModels(MODELS.map((each) => each.create({ levels: LEVELS, maxHorizonSteps: 8, priorSpread: 0 })), values, { leads: Int32Array.of(1), warmUpSteps: 20 });
    for (const score of scores) {
      expect(score.settled).toBe(72);
      expect(Number.isFinite(score.mase)).toBe(true);
    }
  });

  it('knows no scale for what never moves', () => {
    const { scores, naiveError } = evaluateModels([constant(NORMAL_ROW)], new Array<number>(50).fill(3));
    expect(naiveError).toBe(0);
    expect(scores[0]).toMatchObject({ mase: null, scaledPinball: null });
  });

  it('measures cost by the clock that it is given', () => {
    let now = 0;
    const { scores } = evaluateModels([constant(NORMAL_ROW)], noise(Xoshiro128.seeded(4), 20), { clockUs: () => (now += 5) });
    expect(scores[0]).toMatchObject({ updateUs: 5, forecastUs: 5 });
  });
});

describe('fair coverage', () => {
  const row = (values: readonly number[]) => ({ levels: LEVELS, values: Float64Array.from(values), at: 0 });
  it('shares a tie among the levels that it stands for', () => {
    expect(shareWithin(row(new Array<number>(9).fill(7)), 7, [2, 6])).toBeCloseTo(0.8, 9);
    expect(shareWithin(row(new Array<number>(9).fill(7)), 7, [3, 5])).toBeCloseTo(0.5, 9);
    expect(shareWithin(row([0, 0, 0, 0, 0, 1, 2, 3, 4]), 0, [3, 5])).toBeCloseTo(0.5, 9);
  });
  it('is all or nothing without a tie, and never outside 0..1', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 9, maxLength: 9 }), fc.integer({ min: -2, max: 16 }), (raw, twice) => {
      const sorted = raw.map((value) => value).sort((a, b) => a - b);
      const value = twice / 2;
      const share = shareWithin(row(sorted), value, [2, 6]);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
      if (!sorted.includes(value)) expect(share).toBe(value > sorted[2]! && value < sorted[6]! ? 1 : 0);
    }));
  });
});

describe('event recall', () => {
  const rule = { threshold: 5, leastLeadSteps: 3, mostLeadSteps: 6 };
  const values = [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
  it('counts an overload once, at its beginning', () => {
    expect(overloadOnsets(values, rule)).toEqual([8]);
  });
  it('takes the best score early enough for an event, and those of steps that nothing follows for calm ones', () => {
    const scores = Float64Array.from(values, (_, t) => t / 100);
    const { events, calm } = eventScoresOf(values, rule, scores);
    expect(events).toEqual([0.05]);
    expect(calm).toEqual([0.13, 0.12, 0.11, 0.01, 0]);
  });
  it('recalls at no more false alarms than allowed', () => {
    const scores = { events: [0.9, 0.4, 0.1], calm: [0.05, 0.2, 0.3, 0.5] };
    expect(recallAt(scores, 0)).toBeCloseTo(1 / 3, 9);
    expect(recallAt(scores, 0.25)).toBeCloseTo(2 / 3, 9);
    expect(recallAt(scores, 1)).toBe(1);
    expect(recallAt({ events: [], calm: [] }, 0.1)).toBeNull();
  });
  it('sets a forecaster that knows beside the rule that sees only the present', () => {
    const saw = Array.from({ length: 600 }, (_, t) => (t % 60) / 6);
    const sees: Model & { t: number } = {
      name: 'sees', t: -1, update() { this.t++; }, skip: () => undefined,
      forecast(leads, into) { leads.forEach((lead, k) => into.fill(saw[this.t + lead] ?? 0, k * 9, (k + 1) * 9)); },
    };
    const { scores, reactive } = evaluateModels([sees], saw, { overload: { threshold: 8, leastLeadSteps: 10, mostLeadSteps: 20 } });
    const beside = recallBesideReactive([scores[0]!.events!], [reactive!.events]);
    expect(beside.own).toBe(1);
    expect(beside.reactive).toBe(0);
  });
});
