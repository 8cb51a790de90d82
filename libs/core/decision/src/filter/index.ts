import { affinity } from './affinity.js';
import { alive } from './alive.js';
import { budget } from './budget.js';
import { capability } from './capability.js';
import { coolDown } from './cool-down.js';
import { failing } from './failing.js';
import type { FilterPlugin } from './filter.js';
import { freezeBudget } from './freeze-budget.js';
import { memory } from './memory.js';
import { noReturn } from './no-return.js';
import { pinned } from './pinned.js';
import { predictedCapacity } from './predicted-capacity.js';
import { staleForecast } from './stale-forecast.js';

/** Asked in this order until one refuses: what the thread forbids first, the dear ones last. */
export const FILTERS: readonly FilterPlugin[] = [
  pinned, coolDown, alive, failing, capability, affinity, noReturn, staleForecast, memory, freezeBudget, budget, predictedCapacity,
];
export type { FilterPlugin } from './filter.js';
