/** Sums over many schedules, and whether they were worth anything (I13). */
import { FAULT_KINDS, RARE } from './faults.js';
import type { SimResult } from './simulate.js';

export interface Failure {
  readonly seed: number;
  readonly message: string;
  readonly lines: readonly string[];
}
export interface Tally {
  schedules: number;
  events: number;
  virtualMs: number;
  longestSettleMs: number;
  readonly faults: Record<string, number>;
  readonly counts: Record<string, number>;
  readonly failures: Failure[];
}
export const emptyTally = (): Tally => ({ schedules: 0, events: 0, virtualMs: 0, longestSettleMs: 0, faults: {}, counts: {}, failures: [] });

const LINES_SHOWN = 80;
const add = (into: Record<string, number>, from: Readonly<Record<string, number>>): void => {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
};

export function count(tally: Tally, result: SimResult): void {
  tally.schedules++;
  tally.events += result.events;
  tally.virtualMs += result.virtualMs;
  tally.longestSettleMs = Math.max(tally.longestSettleMs, result.violation ? 0 : result.settledMs);
  add(tally.faults, result.faults);
  add(tally.counts, result.counts);
  if (result.violation) tally.failures.push({ seed: result.seed, message: result.violation.message, lines: result.lines.slice(-LINES_SHOWN) });
}

export function join(into: Tally, from: Tally): void {
  into.schedules += from.schedules;
  into.events += from.events;
  into.virtualMs += from.virtualMs;
  into.longestSettleMs = Math.max(into.longestSettleMs, from.longestSettleMs);
  add(into.faults, from.faults);
  add(into.counts, from.counts);
  into.failures.push(...from.failures);
}

/** I13: what must have happened in a run of this size, and has not. */
export function vacuous({ schedules, faults, counts }: Tally): string[] {
  const missing = FAULT_KINDS.filter((kind) => !(faults[kind]! > 0) && (schedules >= 2_000 || !RARE.includes(kind))).map((kind) => `no fault ${kind}`);
  for (const name of ['committed', 'rolled-back', 'failed-over', 're-granted', 'refusedAppends', 'purged', 'promoted', 'repeated', 'released', 'drop', 'duplicate']) if (!(counts[name]! > 0)) missing.push(`no ${name}`);
  if (!(counts['accepted']! > 10 * (counts['gaveUp'] ?? 0))) missing.push('fewer than ten inputs accepted for one given up');
  return missing;
}

export function report({ schedules, events, virtualMs, longestSettleMs, faults, counts }: Tally, tookMs: number): string[] {
  const list = (of: Readonly<Record<string, number>>): string => Object.entries(of).sort(([a], [b]) => a.localeCompare(b)).map(([name, n]) => `${name} ${n}`).join(', ');
  return [
    `${schedules} schedules in ${(tookMs / 1000).toFixed(1)} s: ${(schedules / (tookMs / 1000)).toFixed(1)} a second, ${Math.round(events / schedules)} events and ${Math.round(virtualMs / schedules / 1000)} s of virtual time each; longest way back to rest ${(longestSettleMs / 1000).toFixed(1)} s`,
    `faults: ${list(faults)}`,
    `operations: ${list(counts)}`,
  ];
}
