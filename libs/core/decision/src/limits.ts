import type { DurationMs } from '@godwit/kernel';
import type { TriggerName } from './decision.js';

/** Weights of the one objective. They need not add up to 1; only their proportions count. */
export interface ScoreWeights {
  readonly relief: number;
  readonly headroom: number;
  readonly proximity: number;
  readonly price: number;
  readonly energy: number;
  readonly disruption: number;
}

/** How far apart two devices are when no link between them was measured. */
export interface AssumedLink {
  readonly latencyMs: DurationMs;
  readonly bytesPerSecond: number;
}

export interface PlanLimits {
  /** Step of the simulation, ms. */
  readonly stepMs: DurationMs;
  /** Triggers that are listened to; a policy without forecasts is `['threshold', 'drain', 'failure']`. */
  readonly triggers: readonly TriggerName[];
  /** Predicted exhaustion: this quantile of demand passes the capacity, 0.5..1. */
  readonly triggerQuantile: number;
  /** Risk trigger, 0..1. */
  readonly riskThreshold: number;
  /** Reactive trigger: CPU in use above this share of capacity. */
  readonly usedRatioThreshold: number;
  /** A device more likely to fail than this within the horizon is evacuated. */
  readonly failureThreshold: number;
  /** Correlation between the demands of two threads on one device, 0..1; see `device-load.ts`. */
  readonly demandCorrelation: number;
  /** Errors of a forecast hold on for about this long. */
  readonly errorPersistenceMs: DurationMs;
  /** A forecast older than this is not believed; current demand with `staleSpreadRatio` takes its place. */
  readonly forecastAgeMs: DurationMs;
  readonly staleSpreadRatio: number;
  /** A target may not run a higher risk than this with the thread on it. */
  readonly targetRisk: number;
  /** Migrations at once: in the cluster, and touching one device; those in flight count. */
  readonly movesAtOnce: number;
  readonly movesPerDevice: number;
  readonly coolDownMs: DurationMs;
  readonly budgetWindowMs: DurationMs;
  readonly movesPerWindow: number;
  /** A move must promise at least this after its cost, core-seconds over the horizon; raised while moves disappoint. */
  readonly netGainCoreSeconds: number;
  /** CPU of both ends together while a thread is copied, cores. */
  readonly copyCores: number;
  /** `live`: copied while it runs, the freeze takes the last delta; `stop`: the freeze takes it all. */
  readonly copyMode: 'stop' | 'live';
  /** Fixed parts of a move until there is a history. */
  readonly moveFixedMs: DurationMs;
  readonly freezeFixedMs: DurationMs;
  /** CPU that a GiB of messages between two devices costs, core-seconds. */
  readonly coreSecondsPerGib: number;
  readonly weights: ScoreWeights;
  readonly assumedLinks: { readonly sameRack: AssumedLink; readonly sameSubnet: AssumedLink; readonly samePop: AssumedLink; readonly far: AssumedLink };
  /** A throttle takes at most this share of a thread's peak demand away. */
  readonly throttleShareRatio: number;
  readonly throttlesAtOnce: number;
  readonly throttleCoolDownMs: DurationMs;
  /** A throttle is lifted when the device with the thread's full demand runs less risk than this. */
  readonly unthrottleRisk: number;
  /** What lateness of a thread without a goal counts beside one with a goal, 0..1. */
  readonly noGoalWeight: number;
}

export const DEFAULT_PLAN_LIMITS: PlanLimits = {
  stepMs: 1_000,
  triggers: ['drain', 'failure', 'predicted-exhaustion', 'risk', 'threshold', 'performance-goal'],
  triggerQuantile: 0.9, riskThreshold: 0.3, usedRatioThreshold: 0.8, failureThreshold: 0.5,
  demandCorrelation: 0.25, errorPersistenceMs: 30_000, forecastAgeMs: 10_000, staleSpreadRatio: 0.2,
  targetRisk: 0.15, movesAtOnce: 2, movesPerDevice: 2, coolDownMs: 30_000, budgetWindowMs: 600_000, movesPerWindow: 6,
  netGainCoreSeconds: 0.1, copyCores: 0.1, copyMode: 'stop', moveFixedMs: 500, freezeFixedMs: 50, coreSecondsPerGib: 2,
  weights: { relief: 0.3, headroom: 0.3, proximity: 0.15, price: 0.1, energy: 0.05, disruption: 0.1 },
  assumedLinks: {
    sameRack: { latencyMs: 0.2, bytesPerSecond: 1e9 }, sameSubnet: { latencyMs: 0.5, bytesPerSecond: 5e8 },
    samePop: { latencyMs: 2, bytesPerSecond: 1e8 }, far: { latencyMs: 40, bytesPerSecond: 1e7 },
  },
  throttleShareRatio: 0.5, throttlesAtOnce: 2, throttleCoolDownMs: 20_000, unthrottleRisk: 0.1, noGoalWeight: 0.25,
};
