/** What the Predictive Resource Manager says: a decision or a refusal, always with reasons that a person can read. */
import type { DecisionId, DeviceId, DurationMs, InstantMs, ThreadId } from '@godwit/kernel';

export type TriggerName = 'predicted-exhaustion' | 'risk' | 'threshold' | 'performance-goal' | 'drain' | 'failure' | 'placement' | 'manual';
export const TRIGGER_NAMES: readonly TriggerName[] = ['predicted-exhaustion', 'risk', 'threshold', 'performance-goal', 'drain', 'failure', 'placement', 'manual'];
/** `place`: a thread without an owner gets one. `restore`: a dead device's thread gets another. `keep`: do nothing, and why. */
export type Action = 'place' | 'migrate' | 'throttle' | 'unthrottle' | 'restore' | 'keep';
export const ACTIONS: readonly Action[] = ['place', 'migrate', 'throttle', 'unthrottle', 'restore', 'keep'];

/** One plugin's word on one candidate. Scores are 0..1, higher is better; a filter's refusal has no score. */
export interface PluginVerdict {
  readonly plugin: string;
  readonly score?: number;
  readonly weight?: number;
  readonly refusal?: string;
}

export interface Candidate {
  readonly device: DeviceId;
  readonly verdicts: readonly PluginVerdict[];
  /** Weighted score 0..1; absent when a filter refused it. */
  readonly score?: number;
  /** Overload that is predicted over the horizon for source and target together if the thread goes there, core-seconds. */
  readonly overloadCoreSeconds?: number;
}

export interface Decision {
  readonly decision: DecisionId;
  readonly thread: ThreadId;
  readonly atMs: InstantMs;
  readonly action: Action;
  readonly trigger: TriggerName;
  readonly source?: DeviceId;
  readonly target?: DeviceId;
  /** For `throttle`: cores that the thread may use. */
  readonly throttleCores?: number;
  /** One sentence that names the trigger, the figures and why this target. */
  readonly reason: string;
  /** Overload avoided minus cost, core-seconds over the horizon. */
  readonly expectedGainCoreSeconds: number;
  readonly costCoreSeconds: number;
  /** Predicted time until the source's demand passes its capacity, ms; absent when none is predicted. */
  readonly overloadInMs?: DurationMs;
  /** Probability of that within the horizon, 0..1. */
  readonly risk: number;
  readonly expectedFreezeMs?: DurationMs;
  readonly candidates: readonly Candidate[];
}

/** Expected against realised, after the horizon has passed. */
export interface Settlement {
  readonly decision: DecisionId;
  readonly thread: ThreadId;
  readonly settledAtMs: InstantMs;
  readonly expectedGainCoreSeconds: number;
  /** Overload of the source had the thread stayed (its measured demand added back), minus what both devices really saw. */
  readonly realisedGainCoreSeconds: number;
  readonly verdict: 'helped' | 'useless' | 'harmful';
  readonly note: string;
}
