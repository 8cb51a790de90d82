/** What the runs amount to; a count of nothing is a failure of the rig, not a success of Godwit (I13). */
import type { CellResult } from './run-cell.js';
import type { Cell } from './matrix.js';

/** So many cells by chance must have come to every kind of outcome. */
const MANY = 50;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const failed = ({ violations, expected }: CellResult): boolean => violations.length > 0 || !expected;

/** One line for one run. */
export function line({ cell, seed, runtime, held, told, path, violations, expected, waitMs, records, answers, retries, tookMs }: CellResult): string {
  const verdict = violations.length > 0 ? `VIOLATION ${violations.map(({ invariant, text }) => `${invariant}: ${text}`).join('; ')}` : expected ? 'ok' : `NOT EXPECTED, the matrix has ${cell.expected}`;
  return `${cell.name.padEnd(28)} seed ${String(seed).padEnd(5)} ${runtime.padEnd(4)} ${held.padEnd(17)} told ${told.padEnd(11)} outcome ${path.padEnd(8)} ownerless ≤ ${String(waitMs).padStart(5)} ms  ${records} records, ${answers} answers, ${retries} asked again, ${seconds(tookMs)}  ${verdict}`;
}

function counted(results: readonly CellResult[], keyOf: (result: CellResult) => string): string {
  const counts = new Map<string, number>();
  for (const result of results) counts.set(keyOf(result), (counts.get(keyOf(result)) ?? 0) + 1);
  return [...counts].map(([key, count]) => `${key} ${count}`).join(', ');
}

const quantile = (sorted: readonly number[], ratio: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * ratio))] ?? 0;

export function report(results: readonly CellResult[]): string[] {
  const waits = results.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
  const total = (of: (result: CellResult) => number): number => results.reduce((sum, result) => sum + of(result), 0);
  return [
    `${results.length} runs in ${seconds(total(({ tookMs }) => tookMs))}: ${results.filter(({ violations }) => violations.length > 0).length} with a violation, ${results.filter(({ expected }) => !expected).length} with another outcome than the matrix'`,
    `faults: ${counted(results, ({ cell }) => cell.fault)}`,
    `phases: ${counted(results, ({ cell }) => cell.phase)}`,
    `phases as the status stream told: ${counted(results, ({ told }) => told)}`,
    `outcomes: ${counted(results, ({ path }) => path)}`,
    `runtimes: ${counted(results, ({ runtime }) => runtime)}`,
    `ownerless at most: median ${quantile(waits, 0.5)} ms, 95 % ${quantile(waits, 0.95)} ms, longest ${waits.at(-1) ?? 0} ms`,
    `${total(({ records }) => records)} journal records, ${total(({ answers }) => answers)} answers to clients, ${total(({ retries }) => retries)} requests asked again`,
  ];
}

/** What should have happened at least once and did not. */
export function vacuous(results: readonly CellResult[], planned: readonly Cell[]): string[] {
  const notRun = planned.filter(({ name }) => !results.some(({ cell }) => cell.name === name)).map(({ name }) => name);
  const missing = notRun.length === 0 ? [] : [`${notRun.length} of ${planned.length} cells were not run: ${notRun.slice(0, 10).join(', ')}${notRun.length > 10 ? ' …' : ''}`];
  const silent = results.filter(({ answers, records }) => answers === 0 || records === 0).map(({ cell }) => `${cell.name}: nothing was asked`);
  if (planned.length < MANY) return [...missing, ...silent];
  const outcomes = ['C', 'RB', 'FO'].filter((letter) => !results.some(({ path }) => path.split('>').includes(letter))).map((letter) => `no outcome ${letter}`);
  return [...missing, ...silent, ...outcomes];
}
