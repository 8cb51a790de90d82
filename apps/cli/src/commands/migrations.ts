/** `migrate` and `migrations`. */
import type { Migration, MigrationUpdate } from '@godwit/client';
import type { Command } from 'commander';
import { openSession, type Session, type Terminal } from '../cli.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { count, id, positive } from '../options.js';
import { table, type Column } from '../table.js';
import { bytes, clock, duration, NONE } from '../units.js';

const columns: readonly Column<Migration>[] = [
  { heading: 'MIGRATION', cell: (m) => m.migration },
  { heading: 'AT', cell: (m) => clock(m.plannedAtMs) },
  { heading: 'THREAD', cell: (m) => m.thread },
  { heading: 'MOVE', cell: (m) => `${m.source} → ${m.target}` },
  { heading: 'OUTCOME', cell: (m) => m.outcome ?? m.phase },
  { heading: 'TOOK', cell: (m) => duration(m.tookMs), right: true },
  { heading: 'FROZEN', cell: (m) => duration(m.freezeMs), right: true },
  { heading: 'STATE', cell: (m) => bytes(m.sizeBytes), right: true },
  { heading: 'CAUSE', cell: (m) => (m.failureReason ? `${m.cause}; ${m.failureReason}` : m.cause || NONE) },
];

const SETTLED: readonly MigrationUpdate['phase'][] = ['retired', 'rolled-back', 'failed-over'];

export function addMigrations(program: Command, terminal: Terminal): void {
  program.command('migrate').description('move a thread to a device')
    .argument('<thread>', 'the thread', id).argument('<device>', 'where to', id)
    .option('--wait', 'show the phases and end when the migration has')
    .option('--timeout <seconds>', 'with --wait: give up after so long', positive, 60)
    .option('--note <text>', 'why, for the record', '')
    .action(async (thread: string, device: string, options: { wait?: boolean; timeout: number; note: string }, command: Command) => {
      const session = await openSession(command, terminal);
      const { migration } = await session.client.migrate(thread, device, options.note);
      if (!options.wait) return session.show({ migration }, () => `${migration} planned: ${thread} → ${device}`);
      if (!session.json) session.line(`${migration}: ${thread} → ${device}`);
      await watch(session, thread, migration, options.timeout);
    });
  program.command('migrations').description('migrations, newest first')
    .option('--thread <id>', 'of this thread only', id).option('--limit <n>', 'most rows', count, 20)
    .action(async (options: { thread?: string; limit: number }, command: Command) => {
      const session = await openSession(command, terminal);
      const { items } = await session.client.migrations(options);
      session.show(items, (all) => (all.length === 0 ? 'no migrations yet' : table(all, columns, session)));
    });
}

/** A line for each phase. @throws CommandFailure when it did not commit, or not in time. */
async function watch({ client, json, line, terminal }: Session, thread: string, migration: string, timeoutSeconds: number): Promise<void> {
  const limit = AbortSignal.timeout(timeoutSeconds * 1_000);
  const signal = AbortSignal.any([limit, terminal.interrupted]);
  let shown: string | undefined;
  for await (const status of client.followMigrations({ thread, after: 0, signal })) {
    if (status.migration !== migration) continue;
    // A status may be told again, with more in it; for a person the phase has passed once.
    const again = status.phase === shown;
    shown = status.phase;
    if (json || !again) line(json ? JSON.stringify(status) : `  ${duration(status.atMs - status.plannedAtMs).padStart(8)}  ${status.phase}${detail(status)}`);
    if (!SETTLED.includes(status.phase)) continue;
    if (status.outcome !== 'committed') throw new CommandFailure(EXIT.failed, `${status.outcome ?? status.phase}: ${status.failureReason ?? 'no reason was told'}`);
    return;
  }
  if (limit.aborted) throw new CommandFailure(EXIT.timeout, `${migration} has not ended within ${timeoutSeconds} s`, '`godwit migrations` shows how it goes on.');
}

function detail({ sizeBytes, freezeMs, failureReason }: MigrationUpdate): string {
  const parts = [sizeBytes === undefined ? '' : bytes(sizeBytes), freezeMs === undefined ? '' : `frozen for ${duration(freezeMs)}`, failureReason ?? ''].filter((part) => part !== '');
  return parts.length === 0 ? '' : `  ${parts.join(', ')}`;
}
