/** A thread of the program `sim`: takes seeds in portions, and gives the sums back. */
import { parentPort } from 'node:worker_threads';
import { PLANTED } from './planted.js';
import { simulate } from './simulate.js';
import { count, emptyTally, type Tally } from './tally.js';

export interface Portion {
  readonly from: number;
  readonly count: number;
  /** Name of a planted bug; ends at the first schedule that finds it. */
  readonly bug?: string;
}
export interface PortionDone {
  readonly portion: Portion;
  readonly tally: Tally;
}

// Timeouts are errors, thousands of them; where one came from is seen when its seed is run alone.
Error.stackTraceLimit = 0;
parentPort?.on('message', (portion: Portion) => {
  void work(portion).then((done) => parentPort!.postMessage(done));
});

async function work(portion: Portion): Promise<PortionDone> {
  const tally = emptyTally();
  const bug = PLANTED.find(({ name }) => name === portion.bug);
  for (let seed = portion.from; seed < portion.from + portion.count; seed++) {
    count(tally, await simulate({ seed, ...(bug ? { bug } : {}) }));
    if (bug && tally.failures.length > 0) break;
  }
  return { portion, tally };
}
