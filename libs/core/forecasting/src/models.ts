import type { ModelDefinition } from './model.js';
import { autoregression, differencedAutoregression } from './models/autoregression.js';
import { dampedTrend } from './models/damped-trend.js';
import { lastValue } from './models/last-value.js';
import { rollingMedian } from './models/rolling-median.js';
import { simpleSmoothing } from './models/simple-smoothing.js';

/** Every model of the bank. The first is the naive one, which the others must beat to gain weight. */
export const MODELS: readonly ModelDefinition[] = [
  lastValue, rollingMedian, simpleSmoothing, dampedTrend, autoregression, differencedAutoregression,
];
