import { journalContract } from './journal-contract.js';
import { memoryJournal } from './memory-journal.js';

journalContract('in memory', async () => {
  let tick = 0;
  const journal = memoryJournal({ nowMs: () => 1_700_000_000_000 + tick++, monotonicMs: () => tick });
  return { journal, another: async () => journal, [Symbol.asyncDispose]: async () => undefined };
});
