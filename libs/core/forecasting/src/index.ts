export { LEVELS, MAX_ABS_VALUE, normalCdf, normalQuantile } from './levels.js';
export type { Model, ModelDefinition, ModelOptions, PointModel } from './model.js';
export { trackedLeads } from './lead-grid.js';
export { createFromPoints } from './point-quantiles.js';
export { MODELS } from './models.js';
export { Combination, type CombinationParts, type ModelShare } from './combination.js';
export { KindMemory, type KindRecord } from './kind-memory.js';
export { PooledQuantiles } from './pooled-quantiles.js';
export { MOST_EXTERNAL_ROWS, type ExternalForecast } from './external-path.js';
export { evaluateModels, recallBesideReactive, type Coverage, type Evaluation, type EvaluationOptions, type ModelScore } from './evaluation.js';
export { recallAt, type EventScores, type OverloadRule } from './event-recall.js';
export { stepsOf, type Forecast } from './forecast.js';
export { expectedExcess, probabilityAbove, type QuantileRow } from './distribution.js';
export { assessRisk, firstPassage, DEFAULT_CORRELATION_MS, type Risk, type RiskOptions } from './risk.js';
export { withKnownFuture, type KnownLoad } from './known-future.js';
export { sumForecasts, type SumOptions } from './aggregation.js';
export {
  DEMAND_LIMITS, deviceDemand, deviceLoadOf, freshThreadDemand, threadDemand, threadLoadOf,
  type DemandLimits, type DeviceDemand, type DeviceLoad, type ThreadDemand, type ThreadDemandState, type ThreadLoad,
} from './demand.js';
export { Series, type Sample, type SeriesOptions } from './series.js';
export { RISK_THRESHOLD_LIMITS, RiskThresholds, type ModelRecord, type RiskThresholdLimits, type SettledForecast } from './risk-thresholds.js';
