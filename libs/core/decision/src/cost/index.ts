import type { CostPlugin } from './cost.js';
import { distance } from './distance.js';
import { freeze } from './freeze.js';
import { transfer } from './transfer.js';

export const COSTS: readonly CostPlugin[] = [transfer, freeze, distance];
export type { CostPlugin } from './cost.js';
