/** `why` and `decisions`: what was decided, on which grounds, and what came of it. */
import type { Decision } from '@godwit/client';
import type { Command } from 'commander';
import { openSession, type Terminal } from '../cli.js';
import { count, id } from '../options.js';
import { oneLine, table, type Column } from '../table.js';
import { clock, duration, figure, NONE, percent } from '../units.js';

const move = (d: Decision): string => (d.target === undefined ? (d.source ?? NONE) : d.source === undefined ? `→ ${d.target}` : `${d.source} → ${d.target}`);

const columns: readonly Column<Decision>[] = [
  { heading: 'AT', cell: (d) => clock(d.atMs) },
  { heading: 'THREAD', cell: (d) => d.thread },
  { heading: 'ACTION', cell: (d) => d.action },
  { heading: 'MOVE', cell: move },
  { heading: 'TRIGGER', cell: (d) => d.trigger },
  { heading: 'RISK', cell: (d) => percent(d.riskRatio), right: true },
  { heading: 'EXPECTED', cell: (d) => figure(d.expectedGainCoreSeconds), right: true },
  { heading: 'REALISED', cell: (d) => figure(d.settlement?.realisedGainCoreSeconds), right: true },
  { heading: 'REASON', cell: (d) => d.reason },
];
type Candidate = Decision['candidates'][number];
const candidateColumns: readonly Column<Candidate>[] = [
  { heading: 'CANDIDATE', cell: (c) => c.device },
  { heading: 'SCORE', cell: (c) => figure(c.score), right: true },
  { heading: 'OVERLOAD', cell: (c) => (c.overloadCoreSeconds === undefined ? NONE : `${figure(c.overloadCoreSeconds)} core s`), right: true },
  { heading: 'BECAUSE', cell: because },
];

function because({ verdicts }: Candidate): string {
  const refusals = verdicts.flatMap(({ plugin, refusal }) => (refusal === undefined ? [] : [`${plugin}: ${refusal}`]));
  if (refusals.length > 0) return `refused by ${refusals.join('; ')}`;
  return verdicts.flatMap(({ plugin, score, weight }) => (score === undefined ? [] : [`${plugin} ${figure(score)}${weight === undefined ? '' : ` × ${figure(weight)}`}`])).join(', ') || NONE;
}

const indented = (text: string): string => text.split('\n').map((line) => `  ${line}`).join('\n');

/** One decision in full. The chosen candidate is the first of those that scored. */
export function explained(d: Decision, style: { readonly dim: (text: string) => string }): string {
  const facts = [
    `trigger ${d.trigger}`, `risk ${percent(d.riskRatio)}`, d.overloadInMs === undefined ? '' : `full in ${duration(d.overloadInMs)}`,
    `expected gain ${figure(d.expectedGainCoreSeconds)} core s at a cost of ${figure(d.costCoreSeconds)}`, d.expectedFreezeMs === undefined ? '' : `expected freeze ${duration(d.expectedFreezeMs)}`,
  ].filter((fact) => fact !== '');
  const ranked = [...d.candidates].sort((a, b) => (b.score ?? -1) - (a.score ?? -1));
  const { settlement } = d;
  const outcome = settlement === null ? 'not settled yet'
    : `${settlement.verdict}: expected ${figure(settlement.expectedGainCoreSeconds)}, realised ${figure(settlement.realisedGainCoreSeconds)} core s${settlement.note ? ` (${oneLine(settlement.note)})` : ''}`;
  return [
    `${clock(d.atMs)}  ${d.action}  ${move(d)}  ${style.dim(d.decision)}`, indented(oneLine(d.reason)), indented(facts.join(', ')),
    ...(ranked.length === 0 ? [] : [indented(table(ranked, candidateColumns, style))]), indented(`settlement: ${outcome}`),
  ].join('\n');
}

export function addDecisions(program: Command, terminal: Terminal): void {
  program.command('why').description('why a thread is where it is: its decisions with reasons, candidates and outcome')
    .argument('<thread>', 'the thread', id).option('--limit <n>', 'most decisions', count, 3)
    .action(async (thread: string, options: { limit: number }, command: Command) => {
      const session = await openSession(command, terminal);
      const decisions = await session.client.why(thread, options.limit);
      session.show(decisions, (all) => (all.length === 0 ? `nothing has been decided about ${thread} yet` : all.map((d) => explained(d, session)).join('\n\n')));
    });
  program.command('decisions').description('decisions, newest first')
    .option('--thread <id>', 'about this thread only', id).option('--limit <n>', 'most rows', count, 20)
    .action(async (options: { thread?: string; limit: number }, command: Command) => {
      const session = await openSession(command, terminal);
      const { items } = await session.client.decisions(options);
      session.show(items, (all) => (all.length === 0 ? 'no decisions yet' : table(all, columns, session)));
    });
}
