/**
 * What every journal must do: one suite, run on the journal in memory, on one broker and on a cluster of three.
 * The parts: owners and appends, zombies and doubts, reading and purging.
 */
import { afterAll, beforeAll, describe } from '@jest/globals';
import { appendContract } from './journal-contract-appends.js';
import { JournalFixture, type JournalUnderTest } from './journal-contract-fixture.js';
import { readContract } from './journal-contract-reads.js';
import { zombieContract } from './journal-contract-zombies.js';

export type { JournalUnderTest } from './journal-contract-fixture.js';

/** Starting a cluster of servers takes a while on a small machine. */
const START_LIMIT_MS = 120_000;

/** @param makeJournal one store for the whole suite; every test has threads of its own in it. */
export function journalContract(name: string, makeJournal: () => Promise<JournalUnderTest>): void {
  describe(`the journal: ${name}`, () => {
    const fixture = new JournalFixture();
    beforeAll(async () => { await fixture.open(await makeJournal()); }, START_LIMIT_MS);
    afterAll(async () => { await fixture.close(); }, START_LIMIT_MS);
    appendContract(fixture);
    zombieContract(fixture);
    readContract(fixture);
  });
}
