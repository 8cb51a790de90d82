export { Behaviour, type BehaviourOptions, type BehaviourStep, type PhaseEstimate } from './behaviour.js';
export { MOST_PHASES } from './phase.js';
export { PhaseOutlook } from './phase-outlook.js';
export { PhaseMember } from './phase-member.js';
export type { Counter } from './site-table.js';
