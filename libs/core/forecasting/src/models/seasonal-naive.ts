import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { LONGEST_PERIOD, SeasonDetector } from '../season-detector.js';
import { SettingChoice } from '../setting-choice.js';
import { ValueRing } from '../value-ring.js';

const CYCLES = 3;

/**
 * What was one season ago, or the mean of the last two or three seasons there, or either moved by how far the series now stands
 * off from a season ago, whichever did best. The season is detected; without one it is not ready.
 */
export const seasonalNaive: ModelDefinition = {
  name: 'seasonal-naive',
  create(options) {
    const given = options.shared?.season;
    const season = given ?? new SeasonDetector();
    const ring = new ValueRing(CYCLES * LONGEST_PERIOD);
    let last = 0;
    let expected = 0;
    let offset = 0;
    let period = 0;
    const meanOfCycles = (lead: number, cycles: number): number => {
      let sum = 0;
      let count = 0;
      const back = period - ((lead - 1) % period);
      for (let c = 0; c < cycles; c++) {
        const value = ring.back(back + c * period);
        if (Number.isNaN(value)) continue;
        sum += value;
        count++;
      }
      return count === 0 ? last : sum / count;
    };
    const pointAt = (index: number, lead: number): number => {
      if (period === 0) return last;
      const point = meanOfCycles(lead, index < 2 ? 1 : CYCLES);
      return index % 2 === 0 ? point : point + offset;
    };
    const choice = new SettingChoice({ count: 4, pointAt }, 2);
    return createFromPoints('seasonal-naive', options, {
      ready: () => period > 0,
      learn(value) {
        if (given === undefined) season.update(value);
        choice.settle(value);
        expected = period > 0 ? meanOfCycles(1, CYCLES) : value;
        ring.push(value);
        last = value;
        if (season.period !== period) {
          period = season.period;
          offset = 0;
        }
        if (period > 0) offset += (value - expected - offset) * 0.2;
        choice.issue();
      },
      miss() {
        if (given === undefined) season.skip(1);
        ring.push(NaN);
        choice.miss();
      },
      path(into, steps) {
        for (let h = 1; h <= steps; h++) into[h - 1] = pointAt(choice.bestFor(h), h);
      },
    });
  },
};
