/** `ps` and `devices`: what is there, and how it does. */
import type { Device, ForecastSummary, Thread } from '@godwit/client';
import type { Command } from 'commander';
import { collected, openSession, repeated, type Terminal } from '../cli.js';
import { positive } from '../options.js';
import { table, type Column } from '../table.js';
import { bytes, duration, figure, NONE, percent } from '../units.js';

/** The resource that runs out first, or is likeliest to. */
export function worst(forecasts: readonly ForecastSummary[]): ForecastSummary | undefined {
  return [...forecasts].sort((a, b) => (b.riskRatio ?? -1) - (a.riskRatio ?? -1) || (a.overloadInMs ?? Infinity) - (b.overloadInMs ?? Infinity))[0];
}

function stateCell({ state, migration, fault }: Thread): string {
  if (fault) return `${state}: ${fault.reason.slice(0, 60)}`;
  return migration ? `${state} (${migration.phase} → ${migration.target})` : state;
}

/** `d-large, 180 ms behind`; what it holds is good also when it is cut off. */
function shadowCell({ shadowStatus }: Thread): string {
  if (!shadowStatus) return NONE;
  const { device, state, lagMs } = shadowStatus;
  return state === 'waiting' ? `${device} (begins)` : `${device}, ${duration(lagMs)} behind${state === 'cut-off' ? ' (cut off)' : ''}`;
}

/** Shadows have a column where there are any. */
const threadColumns = (nowMs: number, threads: readonly Thread[]): readonly Column<Thread>[] => [
  { heading: 'THREAD', cell: (t) => t.thread },
  { heading: 'APP', cell: (t) => t.application },
  { heading: 'STATE', cell: stateCell },
  { heading: 'DEVICE', cell: (t) => t.owner?.device ?? NONE },
  { heading: 'CORES', cell: (t) => figure(t.samples?.values['cpu.cores']), right: true },
  { heading: 'MEMORY', cell: (t) => bytes(t.samples?.values['memory.bytes']), right: true },
  { heading: 'BACKLOG', cell: (t) => figure(t.samples?.values['input.backlog_records'], 0), right: true },
  { heading: 'P99', cell: (t) => duration(t.samples?.values['latency.ms_p99']), right: true },
  ...(threads.some(({ shadowStatus }) => shadowStatus) ? [{ heading: 'SHADOW', cell: shadowCell }] : []),
  { heading: 'HERE FOR', cell: (t) => (t.owner ? duration(Math.max(0, nowMs - t.owner.sinceMs)) : NONE), right: true },
];

const deviceColumns: readonly Column<Device>[] = [
  { heading: 'DEVICE', cell: (d) => d.device },
  { heading: 'KIND', cell: (d) => d.kind },
  { heading: 'CORES', cell: (d) => `${figure(d.samples?.values['cpu.cores'])} of ${figure(d.cpuCores)}`, right: true },
  { heading: 'MEMORY', cell: (d) => `${bytes(d.samples?.values['memory.bytes'])} of ${bytes(d.memoryBytes)}`, right: true },
  { heading: 'THREADS', cell: (d) => String(d.threads.length), right: true },
  { heading: 'RISK', cell: (d) => percent(worst(d.forecasts)?.riskRatio), right: true },
  { heading: 'FULL IN', cell: (d) => duration(worst(d.forecasts)?.overloadInMs), right: true },
];

export function addLists(program: Command, terminal: Terminal): void {
  program.command('ps').alias('threads').description('threads: where they run and how they do')
    .option('--watch <seconds>', 'again every so often', positive)
    .action(async (options: { watch?: number }, command: Command) => {
      const session = await openSession(command, terminal);
      await repeated(session, options.watch, async () => {
        const threads = await collected(session.client.all((page) => session.client.threads(page)));
        session.show(threads, (all) => (all.length === 0 ? 'no threads; `godwit run FILE` starts one' : table(all, threadColumns(terminal.nowMs(), all), session)));
      });
    });
  program.command('devices').description('devices: load, capacity and risk')
    .option('--watch <seconds>', 'again every so often', positive)
    .action(async (options: { watch?: number }, command: Command) => {
      const session = await openSession(command, terminal);
      await repeated(session, options.watch, async () => {
        const devices = await collected(session.client.all((page) => session.client.devices(page)));
        session.show(devices, (all) => (all.length === 0 ? 'no devices are registered' : table(all, deviceColumns, session)));
      });
    });
}
