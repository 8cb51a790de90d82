/** The summary of `--once` as text. */
import { bytesText, migrationText, msText } from './render.js';
import { leadMs, promises, type RunAccount } from './summary.js';

interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function table({ head, rows }: Table): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ').trimEnd();
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)];
}

function comparison(off: RunAccount, on: RunAccount): string[] {
  const both = (title: string, of: (run: RunAccount) => string): string[] => [title, of(off), of(on)];
  const loaded = (run: RunAccount): RunAccount['threads'][number] => run.threads.find(({ thread }) => thread === run.loaded)!;
  const board = (run: RunAccount): RunAccount['threads'][number] => run.threads.find(({ thread }) => thread === 'board')!;
  return table({
    head: ['the same recorded day', 'migration off', 'migration on'],
    rows: [
      both(`${off.loaded} begins on`, (run) => run.beganOn),
      both(`latency of ${off.loaded}, median`, (run) => msText(loaded(run).latencies.p50)),
      both(`latency of ${off.loaded}, p99 (goal ${msText(off.goalMs)})`, (run) => msText(loaded(run).latencies.p99)),
      both(`latency of ${off.loaded}, longest`, (run) => msText(loaded(run).latencies.max)),
      both('from the outside to the board, p99', (run) => msText(board(run).latencies.p99)),
      both('late seconds (an output later than the goal)', (run) => String(loaded(run).latencies.lateSeconds)),
      both(`overload seconds (more demand than capacity on the device of ${off.loaded})`, (run) => String(run.overloadSeconds)),
      both(`highest demand of ${off.loaded} over 2 s, cores`, (run) => run.peakCores.toFixed(2)),
      both('flights in = flights on the board', (run) => `${run.flightsIn} = ${run.flightsCounted}`),
      both('outputs in the journal, in the unmoved replay', (run) => `${outputs(run, 'chain')}, ${outputs(run, 'replay')}`),
    ],
  });
}
const outputs = ({ threads }: RunAccount, of: 'chain' | 'replay'): number => threads.reduce((sum, thread) => sum + thread[of].outputs, 0);

function moves({ migrations }: RunAccount): string[] {
  if (migrations.length === 0) return ['no migrations'];
  return migrations.map((migration) => {
    const tookMs = (migration.phases.at(-1)?.atMs ?? migration.plannedAtMs) - migration.plannedAtMs;
    return `${migrationText(migration)} · ${msText(tookMs)} in all${migration.sizeBytes === undefined ? '' : ` · state ${bytesText(migration.sizeBytes)}`}`;
  });
}

function lead(on: RunAccount): string {
  const ms = leadMs(on);
  if (ms === undefined || on.source === undefined) return 'lead time: none, see below';
  return `lead time: the decision came ${(ms / 1_000).toFixed(1)} s before the measured demand of the threads that ${on.source} then had passed its ${on.sourceCores} cores`;
}

/** @returns the lines, and whether every promise was kept. */
export function report(off: RunAccount, on: RunAccount): { readonly lines: readonly string[]; readonly kept: boolean } {
  const judged = promises(off, on);
  const kept = judged.every((verdict) => verdict.kept);
  const lines = [
    '', ...comparison(off, on), '', lead(on), '', 'migrations with migration on:', ...moves(on).map((line) => `  ${line}`), '',
    ...judged.map(({ promise, kept: isKept, figures }) => `${isKept ? 'kept  ' : 'BROKEN'}  ${promise} (${figures})`), '',
    kept ? 'Every promise was kept.' : 'A promise was broken.',
  ];
  return { lines, kept };
}
