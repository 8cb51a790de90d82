import type { Rng } from '@godwit/kernel';
import { LEVELS } from './levels.js';
import { pooledRegression } from './models/pooled-regression.js';
import { FEATURES, PooledQuantiles } from './pooled-quantiles.js';
import { machineLike } from './synthetic.js';

/** Gradient steps shrink from the first rate to the last over the training. */
const RATES = [0.02, 0.0005] as const;

/** Learns pooled weights from `count` series of `steps` steps that are drawn from `rng`; a minute for a few thousand of them. */
export function trainPooled(rng: Rng, count: number, steps: number, maxHorizonSteps = 64): PooledQuantiles {
  const pooled = new PooledQuantiles(LEVELS, maxHorizonSteps, { rate: RATES[0], untaught: true });
  for (let n = 0; n < count; n++) {
    pooled.rate = RATES[0] * (RATES[1] / RATES[0]) ** (n / count);
    const model = pooledRegression.create({ levels: LEVELS, maxHorizonSteps, priorSpread: 0, shared: { pooled } });
    for (const value of machineLike(rng, steps)) model.update(value);
  }
  return pooled;
}

/** The text of `pooled-default.ts` with these weights. */
export function pooledDefaultText(pooled: PooledQuantiles, series: number, steps: number): string {
  const weights = Array.from(pooled.weights, (weight) => Number(weight.toPrecision(4)));
  const rows: string[] = [];
  for (let at = 0; at < weights.length; at += FEATURES) rows.push(`  ${weights.slice(at, at + FEATURES).join(', ')},`);
  return `/**
 * Weights of the pooled quantile regression that a forecaster begins with: 7 tracked leads (1, 2, … 64) × 9 levels × 16 features, as
 * \`trainPooled(Xoshiro128.seeded(1), ${series}, ${steps})\` learns them from series that \`synthetic.ts\` draws, rounded to four digits;
 * trained on no recording. Generated: \`npx node libs/core/forecasting/src/forecasting.bench.ts pooled-default\` prints it anew.
 */
export const DEFAULT_POOLED: readonly number[] = [
${rows.join('\n')}
];
`;
}
