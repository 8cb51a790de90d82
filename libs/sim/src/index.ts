export { simulate, type SimOptions, type SimResult } from './simulate.js';
export { PLANTED } from './planted.js';
export type { Bug } from './bugs.js';
export { count, emptyTally, report, vacuous, type Tally } from './tally.js';
