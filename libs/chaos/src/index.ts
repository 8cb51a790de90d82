export { check, longestWaitMs, pathOf, type SeenAnswer, type Violation } from './check.js';
export { CELLS, FAULTS, isExpected, NEEDS, PHASES, SHORT, type Cell, type FaultName, type Phase } from './matrix.js';
export { LedgerModel, LEDGER_TASK, type LedgerRuntime } from './ledger.js';
export { whyOneHost } from './enclosure.js';
export type { HistoryRecord } from './history.js';
