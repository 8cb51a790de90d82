export * from './servers/index.js';
export { journalContract, type JournalUnderTest } from './journal-contract.js';
export { memoryJournal } from './memory-journal.js';
export { lossyProxy, type LossyProxy } from './lossy-proxy.js';
