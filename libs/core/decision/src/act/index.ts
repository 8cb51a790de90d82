import type { ActPlugin } from './act.js';
import { move } from './move.js';
import { throttle } from './throttle.js';

/** The ladder: a later step is taken only when the earlier ones decline, or come too late. */
export const ACTS: readonly ActPlugin[] = [move, throttle];
export type { ActPlugin, Declined, Proposal } from './act.js';
