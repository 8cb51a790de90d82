import { drain } from './drain.js';
import { failure } from './failure.js';
import { performanceGoal } from './performance-goal.js';
import { predictedExhaustion } from './predicted-exhaustion.js';
import { risk } from './risk.js';
import { threshold } from './threshold.js';
import type { TriggerPlugin } from './trigger.js';

/** The first that fires for a device is the one that is acted on. */
export const TRIGGERS: readonly TriggerPlugin[] = [drain, failure, predictedExhaustion, risk, threshold, performanceGoal];
export type { Firing, TriggerPlugin } from './trigger.js';
