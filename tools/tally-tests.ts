/**
 * Prints the outcome of a Jest run (its `--json` result) as one line: `12 passed, 0 failed, 1 skipped`.
 *   node tools/tally-tests.ts RESULT.json
 * A suite that could not be run counts as one failure. Ends with 1 when something failed, when nothing ran, or without a result.
 */
import { readFileSync } from 'node:fs';

interface JestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node tools/tally-tests.ts RESULT.json');
const result = JSON.parse(readFileSync(path, 'utf8')) as JestResult;
const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
console.log(`${result.numPassedTests} passed, ${failed} failed, ${result.numPendingTests + result.numTodoTests} skipped`);
process.exitCode = failed === 0 && result.numPassedTests > 0 ? 0 : 1;
