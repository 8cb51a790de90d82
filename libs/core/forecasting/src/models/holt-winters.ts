import type { ModelDefinition } from '../model.js';
import { createFromPoints } from '../point-quantiles.js';
import { LONGEST_PERIOD, SeasonDetector } from '../season-detector.js';
import { SettingChoice } from '../setting-choice.js';
import { ValueRing } from '../value-ring.js';
import { dampedSteps } from './damped-trend.js';

/** Level smoothing, trend smoothing, damping of the trend per step. */
const SETTINGS = [[0.05, 0, 0.9], [0.2, 0.02, 0.9], [0.5, 0.1, 0.9], [0.9, 0.1, 0.8]] as const;
/** Share of a new deviation that a seasonal figure takes. */
const SEASON_FOLLOW = 0.25;

/**
 * Holt and Winters' additive season on the detected period with a damped trend, and the smoothing that did best lately. One set
 * of seasonal figures serves all settings: it follows the deviation from the mean of a whole season around it, not from a level.
 * Without a season it is not ready.
 */
export const holtWinters: ModelDefinition = {
  name: 'holt-winters',
  create(options) {
    const given = options.shared?.season;
    const season = given ?? new SeasonDetector();
    const figures = new SeasonFigures();
    const level = new Float64Array(SETTINGS.length);
    const trend = new Float64Array(SETTINGS.length);
    let learnt = 0;
    const pointAt = (index: number, lead: number): number =>
      level[index]! + trend[index]! * dampedSteps(SETTINGS[index]![2], lead) + figures.ahead(lead);
    const choice = new SettingChoice({ count: SETTINGS.length, pointAt }, 1);

    const smooth = (value: number): void => {
      const off = value - figures.ahead(1);
      for (let m = 0; m < SETTINGS.length; m++) {
        const [alpha, beta, phi] = SETTINGS[m]!;
        const expected = level[m]! + phi * trend[m]!;
        const moved = expected + Math.max(alpha, 1 / learnt) * (off - expected);
        if (learnt > 1) trend[m] = phi * trend[m]! + beta * (moved - level[m]! - phi * trend[m]!);
        level[m] = moved;
      }
    };
    return createFromPoints('holt-winters', options, {
      ready: () => figures.period > 0,
      learn(value) {
        if (given === undefined) season.update(value);
        choice.settle(value);
        learnt++;
        smooth(value);
        figures.learn(value);
        if (season.period !== figures.period) {
          figures.restart(season.period);
          learnt = 1;
          level.fill(value - figures.ahead(figures.period || 1));
          trend.fill(0);
        }
        choice.issue();
      },
      miss() {
        if (given === undefined) season.skip(1);
        figures.learn(NaN);
        choice.miss();
      },
      path(into, steps) {
        for (let h = 1; h <= steps; h++) into[h - 1] = pointAt(choice.bestFor(h), h);
      },
    });
  },
};

/** A figure for each phase of the season; they add up to about 0. */
class SeasonFigures {
  period = 0;
  private readonly ring = new ValueRing(2 * LONGEST_PERIOD);
  private readonly figure = new Float64Array(LONGEST_PERIOD);
  /** Phase of the next step. */
  private phase = 0;
  /** Sum and count of the values of the last whole season. */
  private sum = 0;
  private count = 0;

  /** The figure of the step `lead` ≥ 1 ahead; 0 without a season. */
  ahead(lead: number): number {
    return this.period === 0 ? 0 : this.figure[(this.phase + lead - 1) % this.period]!;
  }

  learn(value: number): void {
    this.ring.push(value);
    if (this.period === 0) return;
    this.take(value, 1);
    this.take(this.ring.back(this.period + 1), -1);
    if (!Number.isNaN(value) && this.count > 0) {
      const old = this.figure[this.phase]!;
      this.figure[this.phase] = old + SEASON_FOLLOW * (value - this.sum / this.count - old);
    }
    this.phase = (this.phase + 1) % this.period;
  }

  private take(value: number, sign: number): void {
    if (Number.isNaN(value)) return;
    this.sum += sign * value;
    this.count += sign;
  }

  /** Begins with another season from what the ring remembers: the mean deviation of each phase over the last two seasons. */
  restart(period: number): void {
    this.period = period;
    this.phase = 0;
    this.figure.fill(0);
    [this.sum, this.count] = [0, 0];
    if (period === 0) return;
    for (let back = 1; back <= period; back++) this.take(this.ring.back(back), 1);
    const mean = this.count === 0 ? 0 : this.sum / this.count;
    let whole = 0;
    let before = 0;
    for (let back = period + 1; back <= 2 * period; back++) {
      const value = this.ring.back(back);
      if (Number.isNaN(value)) continue;
      whole += value;
      before++;
    }
    for (let p = 0; p < period; p++) {
      const newer = this.ring.back(period - p) - mean;
      const older = before > 0 ? this.ring.back(2 * period - p) - whole / before : NaN;
      this.figure[p] = Number.isNaN(newer) ? (Number.isNaN(older) ? 0 : older) : Number.isNaN(older) ? newer : (newer + older) / 2;
    }
  }
}
