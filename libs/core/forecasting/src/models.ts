import type { ModelDefinition } from './model.js';
import { arima } from './models/arima.js';
import { autoregression, differencedAutoregression } from './models/autoregression.js';
import { climatology } from './models/climatology.js';
import { dampedTrend } from './models/damped-trend.js';
import { holtWinters } from './models/holt-winters.js';
import { lastValue } from './models/last-value.js';
import { pooledRegression } from './models/pooled-regression.js';
import { rollingMedian } from './models/rolling-median.js';
import { seasonalNaive } from './models/seasonal-naive.js';
import { simpleSmoothing } from './models/simple-smoothing.js';

/** Every model of the bank. The first is the naive one, which the others must beat to gain weight. */
export const MODELS: readonly ModelDefinition[] = [
  lastValue, rollingMedian, climatology, simpleSmoothing, dampedTrend, autoregression, differencedAutoregression, arima, seasonalNaive,
  holtWinters, pooledRegression,
];
