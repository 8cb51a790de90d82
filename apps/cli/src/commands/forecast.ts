/** `forecast`: what a device or a thread will need. */
import { GodwitError, type Forecast, type GodwitClient } from '@godwit/client';
import type { Command } from 'commander';
import { openSession, type Terminal } from '../cli.js';
import { id } from '../options.js';
import { table } from '../table.js';
import { duration, figure, percent } from '../units.js';

/** Most rows for one resource: the horizon is thinned evenly to so many. */
const ROWS = 12;
const SHOWN_LEVELS = [0.1, 0.5, 0.9];

interface Row { readonly inMs: number; readonly quantiles: readonly number[] }

/** Rows of the horizon, thinned, always with the last one. */
export function thinned({ levels, values, stepMs }: Forecast): Row[] {
  const steps = levels.length === 0 ? 0 : Math.floor(values.length / levels.length);
  const every = Math.max(1, Math.ceil(steps / ROWS));
  const rows: Row[] = [];
  for (let step = steps - 1; step >= 0; step -= every) rows.unshift({ inMs: (step + 1) * stepMs, quantiles: values.slice(step * levels.length, (step + 1) * levels.length) });
  return rows;
}

/** The levels nearest to p10, p50 and p90. */
export function shownLevels(levels: readonly number[]): number[] {
  const nearest = (wanted: number): number => levels.reduce((best, level, i) => (Math.abs(level - wanted) < Math.abs(levels[best]! - wanted) ? i : best), 0);
  return levels.length === 0 ? [] : [...new Set(SHOWN_LEVELS.map(nearest))];
}

function rendered(forecast: Forecast, style: { readonly dim: (text: string) => string }, nowMs: number): string {
  const { resource, unit, demandNow, capacity, riskRatio, overloadInMs, models, levels } = forecast;
  const facts = [
    `now ${figure(demandNow)}${capacity === undefined ? '' : ` of ${figure(capacity)}`} ${unit}`, riskRatio === undefined ? '' : `risk ${percent(riskRatio)}`,
    overloadInMs === undefined ? '' : `full in ${duration(overloadInMs)}${between(forecast)}`,
    (forecast.failureRatio ?? 0) < LEAST_FAILURE ? '' : `failure ${percent(forecast.failureRatio)}`, `issued ${duration(Math.max(0, nowMs - forecast.issuedAtMs))} ago`,
    models.length === 0 ? '' : `by ${models.slice(0, 3).map(({ model, weightRatio }) => `${model} ${percent(weightRatio)}`).join(', ')}`,
  ].filter((fact) => fact !== '');
  const columns = [
    { heading: 'IN', cell: (row: Row) => duration(row.inMs), right: true },
    ...shownLevels(levels).map((i) => ({ heading: `P${Math.round(levels[i]! * 100)}`, cell: (row: Row) => figure(row.quantiles[i], 3), right: true })),
  ];
  return [`${resource}: ${facts.join(', ')}`, ...failureLines(forecast), ...phaseLines(forecast), ...performanceLines(forecast), table(thinned(forecast), columns, style)].join('\n');
}

/** Less than this is no news. */
const LEAST_FAILURE = 0.005;

/** 10 and 90 % of the time until it is full, where the horizon holds both. */
const between = ({ overloadInMsP10, overloadInMsP90 }: Forecast): string =>
  overloadInMsP10 === undefined || overloadInMsP90 === undefined ? '' : ` (${duration(overloadInMsP10)} to ${duration(overloadInMsP90)})`;

const failureLines = ({ failureCauses = [] }: Forecast): string[] => failureCauses.map(({ cause, probabilityRatio, detail }) => `may fail (${percent(probabilityRatio)}) for ${cause}: ${detail}`);

function phaseLines({ phase }: Forecast): string[] {
  if (phase === undefined) return [];
  const { label, probabilityRatio, count, ageMs, next } = phase;
  const now = `phase ${phase.phase} of ${count}: ${label} (${percent(probabilityRatio)}) for ${duration(ageMs)}`;
  if (next === undefined) return [now];
  const when = next.inMsP50 === undefined ? 'at some time' : `in ${duration(next.inMsP50)} (${duration(next.inMsP10)} to ${duration(next.inMsP90)})`;
  return [`${now}; next ${next.phase}: ${next.label} (${percent(next.probabilityRatio)}) ${when}`];
}

const performanceLines = ({ performance = [] }: Forecast): string[] => performance.map(({ device, utilisationRatio, latencyMsP50, latencyMsP99, throughputPerSecond, basis }) => {
  const figures = [
    latencyMsP50 === undefined ? '' : `p50 ${duration(latencyMsP50)}`, latencyMsP99 === undefined ? '' : `p99 ${duration(latencyMsP99)}`,
    throughputPerSecond === undefined ? '' : `up to ${figure(throughputPerSecond, 0)} records/s`,
  ].filter((text) => text !== '');
  return `on ${device} at ${percent(utilisationRatio)}: ${figures.join(', ')} (known from ${BASIS[basis]})`;
});
const BASIS = { device: 'its history there', kind: 'devices of that kind', other: 'other devices' } as const;

/** Forecasts of the device of that name, else of the thread. */
async function find(client: GodwitClient, name: string): Promise<readonly Forecast[]> {
  try {
    return await client.deviceForecasts(name);
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'not-found') throw error;
    return client.threadForecasts(name);
  }
}

export function addForecast(program: Command, terminal: Terminal): void {
  program.command('forecast').description('what a device or a thread will need').argument('<id>', 'a device or a thread', id)
    .action(async (name: string, _options: object, command: Command) => {
      const session = await openSession(command, terminal);
      session.show(await find(session.client, name), (all) => (all.length === 0 ? `no forecast for ${name} yet` : all.map((one) => rendered(one, session, terminal.nowMs())).join('\n\n')));
    });
}
