import { disruption } from './disruption.js';
import { energy } from './energy.js';
import { headroom } from './headroom.js';
import { price } from './price.js';
import { proximity } from './proximity.js';
import { relief } from './relief.js';
import type { ScorePlugin } from './score.js';

/** Their weights are `PlanLimits.weights`. */
export const SCORES: readonly ScorePlugin[] = [relief, headroom, proximity, price, energy, disruption];
export type { ScorePlugin } from './score.js';
