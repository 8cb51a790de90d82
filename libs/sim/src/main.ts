/**
 * `npm run sim -- [--seeds N] [--from S] | --seed S [--verbose] | --planted [--bug NAME]`: many schedules on every core, one
 * schedule with its history, or how many schedules each planted bug takes. Ends with 1 when an invariant was violated, or a bug not found.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PLANTED } from './planted.js';
import { simulate } from './simulate.js';
import { emptyTally, join, report, vacuous } from './tally.js';
import type { Portion, PortionDone } from './worker.js';

const PORTION = 25;
/** A planted bug must be found within so many. */
const PLANTED_LIMIT = 2_000;
const SHOWN_FAILURES = 5;

const { values } = parseArgs({ options: {
  seeds: { type: 'string', default: '1000' }, from: { type: 'string', default: '1' }, seed: { type: 'string' }, verbose: { type: 'boolean', default: false }, planted: { type: 'boolean', default: false }, bug: { type: 'string' },
} });
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Hands portions to workers until there are none left; `next` sees each result before it gives another. */
async function onAllCores(next: (last: PortionDone | undefined) => Portion | undefined): Promise<void> {
  await Promise.all(Array.from({ length: availableParallelism() }, () => new Promise<void>((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    const more = (last: PortionDone | undefined): void => {
      const portion = next(last);
      if (portion) worker.postMessage(portion);
      else void worker.terminate().then(() => resolve());
    };
    worker.on('message', more);
    worker.on('error', reject);
    more(undefined);
  })));
}

async function many(seeds: number, from: number): Promise<boolean> {
  const startedMs = performance.now();
  const total = emptyTally();
  let at = from;
  let toldMs = startedMs;
  await onAllCores((last) => {
    if (last) join(total, last.tally);
    for (const { seed: failed, message } of last?.tally.failures ?? []) say(`seed ${failed}: ${message}`);
    if (last && performance.now() - toldMs > 5_000) {
      toldMs = performance.now();
      say(`${total.schedules} of ${seeds} schedules, ${total.failures.length} violations`);
    }
    if (at >= from + seeds || total.failures.length >= SHOWN_FAILURES) return undefined;
    const count = Math.min(PORTION, from + seeds - at);
    at += count;
    return { from: at - count, count };
  });
  for (const line of report(total, performance.now() - startedMs)) say(line);
  for (const { seed, message, lines } of total.failures) say(`\nseed ${seed}: ${message}\n${lines.join('\n')}\nagain: npm run sim -- --seed ${seed} --verbose`);
  const missing = seeds >= 200 ? vacuous(total) : [];
  for (const what of missing) say(`not worth anything (I13): ${what}`);
  return total.failures.length === 0 && missing.length === 0;
}

async function planted(from: number, only: string | undefined): Promise<boolean> {
  const bugs = PLANTED.filter(({ name }) => only === undefined || name === only);
  const found = new Map<string, { readonly after: number; readonly message: string }>();
  let next = 0;
  const tried = new Map<string, number>();
  await onAllCores((last) => {
    if (last) {
      const { bug = '' } = last.portion;
      const after = (tried.get(bug) ?? 0) + last.tally.schedules;
      tried.set(bug, after);
      const [failure] = last.tally.failures;
      if (failure) found.set(bug, { after, message: failure.message });
      else if (after < PLANTED_LIMIT) return { bug, from: from + after, count: PORTION };
      const { about } = bugs.find(({ name }) => name === bug)!;
      say(`${bug.padEnd(28)} ${failure ? `found after ${String(after).padStart(4)}` : `NOT found in ${after}`}  ${about}${failure ? `\n${' '.repeat(29)}${failure.message.slice(0, 150)}` : ''}`);
    }
    const bug = bugs[next++];
    return bug && { bug: bug.name, from, count: PORTION };
  });
  say(`${found.size} of ${bugs.length} planted bugs found, each within ${Math.max(0, ...[...found.values()].map(({ after }) => after))} schedules`);
  return found.size === bugs.length;
}

async function one(seed: number, verbose: boolean, bugName: string | undefined): Promise<boolean> {
  const bug = PLANTED.find(({ name }) => name === bugName);
  const result = await simulate({ seed, verbose, ...(bug ? { bug } : {}) });
  for (const line of verbose ? result.lines : result.lines.slice(-40)) say(line);
  say(`seed ${seed}: ${result.violation?.message ?? 'no violation'}; history ${result.hash}`);
  return result.violation === undefined;
}

const from = Number(values.from);
const isWell = values.planted ? await planted(from, values.bug) : values.seed !== undefined ? await one(Number(values.seed), values.verbose, values.bug) : await many(Number(values.seeds), from);
process.exitCode = isWell ? 0 : 1;
