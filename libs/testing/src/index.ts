export * from './servers/index.js';
export { journalContract, type JournalUnderTest } from './journal-contract.js';
export { memoryJournal } from './memory-journal.js';
export { lossyProxy, type LossyProxy } from './lossy-proxy.js';
export { runtimeContract, type ContractProgram } from './runtime-contract.js';
export { ContractRun, granted, sha256Of, throughBytes, within } from './contract-run.js';
export { descendantsOf, leftOf, type SeenProcess } from './process-tree.js';
