/** `evaluate`: how well the forecaster does on a recording, beside the naive rules. Reads; writes nothing but the picture that was asked for. */
import { access, constants, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  createCombination, drawStretches, evaluateTrace, floorOf, follow, forecastPicture, onGrid, pathOf, quantileOf, seriesName, stretchOf, verdictOf,
  type GridSeries, type RecordedSeries, type TraceRow, type TraceTable,
} from '@godwit/evaluation';
import { Xoshiro128, isRefusal } from '@godwit/kernel';
import { readSeries } from '@godwit/series-source';
import { InvalidArgumentError, type Command } from 'commander';
import type { Terminal } from '../cli.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { positive, whole } from '../options.js';
import { oneLine, table, type Column } from '../table.js';

interface Options {
  readonly time?: string;
  readonly value?: readonly string[];
  readonly entity?: string;
  readonly step?: number;
  readonly horizon?: number;
  readonly warmUp?: number;
  readonly threshold?: number;
  readonly lead: number;
  readonly windows?: number;
  readonly seed: number;
  readonly picture?: string;
  readonly query?: string;
  readonly start?: string;
  readonly end?: string;
  readonly json?: boolean;
}

/** More steps than this are judged by windows, unless the user says how many. */
const MOST_WALKED_STEPS = 60_000;
const MOST_HORIZON_STEPS = 4_096;
const DEFAULT = { horizonSteps: 60, warmUpSteps: 100, scoredSteps: 240 } as const;
const PROGRESS_EVERY_MS = 1_000;
/** Series that are named among those left out. */
const MOST_TOLD = 3;

const steps = (most: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new InvalidArgumentError(`a whole number of 1 to ${most} expected.`);
  return value;
};
const finite = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('a number expected.');
  return value;
};
const names = (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), ...text.split(',').filter((name) => name !== '')];

export function addEvaluate(program: Command, terminal: Terminal): void {
  program.command('evaluate <source>').description('score the forecaster on a recording: CSV (also .gz), Parquet, or a Prometheus server')
    .option('--time <column>', 'the column with the time; found by name otherwise')
    .option('--value <column>', 'a column to forecast, also several; all columns of numbers otherwise', names)
    .option('--entity <column>', 'the column that tells series apart; found by name otherwise')
    .option('--step <seconds>', 'step of the grid; the usual time between samples otherwise', positive)
    .option('--horizon <steps>', `steps ahead, at most ${MOST_HORIZON_STEPS}; ${DEFAULT.horizonSteps}, fewer for a short recording`, steps(MOST_HORIZON_STEPS))
    .option('--warm-up <steps>', `steps before the first score; ${DEFAULT.warmUpSteps}, fewer for a short recording`, whole)
    .option('--threshold <value>', 'a value above it is an overload; the 95th percentile of each series otherwise', finite)
    .option('--lead <steps>', 'how far ahead an overload must be foreseen', steps(MOST_HORIZON_STEPS), 10)
    .option('--windows <count>', `judge by so many windows, drawn by the seed; all of it up to ${MOST_WALKED_STEPS} steps otherwise`, steps(100_000))
    .option('--seed <number>', 'of the draw', whole, 1).option('--picture <file.svg>', 'draw one forecast, and what happened then')
    .option('--query <promql>', 'for a Prometheus server').option('--start <time>', 'seconds or ISO 8601').option('--end <time>', 'seconds or ISO 8601; now otherwise')
    .action(async (source: string, _options: unknown, command: Command) => evaluate(source, command.optsWithGlobals<Options>(), terminal));
}

async function evaluate(source: string, options: Options, terminal: Terminal): Promise<void> {
  if (options.picture !== undefined) await orUnwritable(options.picture, access(dirname(resolve(terminal.folder, options.picture)), constants.W_OK));
  const recorded = await readSeries(/^https?:\/\//i.test(source) ? source : resolve(terminal.folder, source), {
    nowMs: terminal.nowMs(), ...given({ time: options.time, entity: options.entity, values: options.value, query: options.query, start: options.start, end: options.end, stepSeconds: options.step }),
  });
  if (isRefusal(recorded)) throw new CommandFailure(EXIT.usage, recorded.reason);
  const leftOut: string[] = [];
  const grids = gridsOf(recorded, options, leftOut);
  const plan = planOf(grids, options, leftOut);
  for (const line of leftOut.slice(0, MOST_TOLD)) terminal.err(`left out: ${oneLine(line)}\n`);
  if (leftOut.length > MOST_TOLD) terminal.err(`left out: ${leftOut.length - MOST_TOLD} more series, for such reasons\n`);
  if (plan.series.length === 0) throw new CommandFailure(EXIT.usage, `${source}: no series is long enough for a warm-up of ${plan.warmUpSteps} and a horizon of ${plan.horizonSteps} steps`, 'Give a shorter --warm-up or --horizon, or a longer recording.');
  if (plan.drawnOf !== undefined) terminal.err(`${plan.drawnOf} steps: judged by ${plan.series.length} windows, drawn by seed ${options.seed}\n`);
  const tables = runEvaluation(plan, options, terminal);
  if (options.picture !== undefined) await writePicture(options.picture, plan, options, terminal);
  if (options.json) terminal.out(`${JSON.stringify({ source, horizonSteps: plan.horizonSteps, warmUpSteps: plan.warmUpSteps, tables: tables.map((each) => ({ ...each, verdict: verdictOf(each) })) }, null, terminal.isTty ? 2 : undefined)}\n`);
  else terminal.out(tables.map((each) => renderTable(each, options, terminal)).join('\n\n') + '\n');
}

/** Without the members that are undefined. */
const given = <Members extends object>(members: Members): { [Key in keyof Members]: Exclude<Members[Key], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as { [Key in keyof Members]: Exclude<Members[Key], undefined> };

interface Plan {
  readonly series: readonly GridSeries[];
  readonly horizonSteps: number;
  readonly warmUpSteps: number;
  /** Steps of the recording, where only windows of it are judged. */
  readonly drawnOf: number | undefined;
}

function gridsOf(recorded: readonly RecordedSeries[], { step }: Options, leftOut: string[]): GridSeries[] {
  return recorded.flatMap((one) => {
    const grid = onGrid(one, ...(step === undefined ? [] : [step * 1_000] as const));
    if (!isRefusal(grid)) return [grid];
    if (recorded.length === 1) throw new CommandFailure(EXIT.usage, grid.reason);
    leftOut.push(grid.reason);
    return [];
  });
}

function planOf(grids: readonly GridSeries[], { horizon, warmUp, windows, seed }: Options, leftOut: string[]): Plan {
  const longest = Math.max(0, ...grids.map(({ values }) => values.length));
  const horizonSteps = horizon ?? Math.max(1, Math.min(DEFAULT.horizonSteps, Math.floor(longest / 4)));
  const warmUpSteps = warmUp ?? Math.min(DEFAULT.warmUpSteps, Math.floor(longest / 3));
  const leastSteps = warmUpSteps + horizonSteps + 1;
  const usable = grids.filter(({ values }) => values.length >= leastSteps);
  for (const one of grids) if (one.values.length < leastSteps) leftOut.push(`${seriesName(one) || 'the series'} has ${one.values.length} steps, ${leastSteps} are needed`);
  const all = usable.reduce((sum, { values }) => sum + values.length, 0);
  const size = { steps: warmUpSteps + Math.max(DEFAULT.scoredSteps, 2 * horizonSteps) + horizonSteps, leastSteps };
  if (windows === undefined && all <= MOST_WALKED_STEPS) return { series: usable, horizonSteps, warmUpSteps, drawnOf: undefined };
  const drawn = drawStretches(usable, size, windows ?? Math.ceil(MOST_WALKED_STEPS / size.steps), Xoshiro128.seeded(seed));
  return { series: drawn, horizonSteps, warmUpSteps, drawnOf: all };
}

function runEvaluation(plan: Plan, { threshold, lead }: Options, terminal: Terminal): readonly TraceTable[] {
  const walk = evaluateTrace(plan.series, { horizonSteps: plan.horizonSteps, warmUpSteps: plan.warmUpSteps, leastLeadSteps: lead, clockUs: cpuUs, ...(threshold === undefined ? {} : { threshold }) });
  let toldMs = terminal.nowMs();
  for (;;) {
    const next = walk.next();
    if (next.done) return next.value;
    if (terminal.nowMs() - toldMs < PROGRESS_EVERY_MS) continue;
    toldMs = terminal.nowMs();
    terminal.err(`${next.value.done} of ${next.value.of}: ${oneLine(seriesName(next.value.series))}\n`);
  }
}

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Draws the forecast from the middle of what is scored of one series, which the seed chooses. */
async function writePicture(file: string, { series, horizonSteps, warmUpSteps }: Plan, { seed, threshold }: Options, terminal: Terminal): Promise<void> {
  const one = series[Math.floor(Xoshiro128.seeded(seed).next() * series.length)]!;
  const originStep = Math.max(warmUpSteps, Math.floor((warmUpSteps + one.values.length - horizonSteps) / 2));
  const history = stretchOf(one, 0, originStep).values;
  const model = createCombination(horizonSteps, floorOf(one));
  follow(model, history);
  const picture = forecastPicture({
    title: oneLine(seriesName(one)), stepMs: one.stepMs, history: history.slice(-2 * horizonSteps), path: pathOf(model, horizonSteps),
    actual: one.values.slice(originStep, originStep + horizonSteps), threshold: threshold ?? quantileOf(one.values, 0.95),
  });
  await orUnwritable(file, writeFile(resolve(terminal.folder, file), picture));
}

async function orUnwritable(file: string, done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    throw new CommandFailure(EXIT.usage, `${file} cannot be written: ${(error as Error).message}`);
  }
}

const ratio = (value: number | null): string => (value === null ? '-' : value.toFixed(3));
const percent = (value: number | null | undefined): string => (value === null || value === undefined || Number.isNaN(value) ? '-' : `${(100 * value).toFixed(1)} %`);

function columnsFor({ betterNaive }: TraceTable): readonly Column<TraceRow>[] {
  return [
    { heading: 'MODEL', cell: ({ model }) => model },
    { heading: 'MASE', cell: ({ model, mase }) => `${ratio(mase)}${betterNaive?.mase === model ? '*' : ' '}`, right: true },
    { heading: 'PINBALL', cell: ({ model, pinball }) => `${ratio(pinball)}${betterNaive?.pinball === model ? '*' : ' '}`, right: true },
    { heading: 'IN 50 %', cell: ({ coverage }) => percent(coverage?.p50), right: true },
    { heading: 'IN 80 %', cell: ({ coverage }) => percent(coverage?.p80), right: true },
    { heading: 'IN 95 %', cell: ({ coverage }) => percent(coverage?.p95), right: true },
    { heading: 'RECALL', cell: ({ recall }) => percent(recall), right: true },
    { heading: 'µS/STEP', cell: ({ costUs }) => costUs.toFixed(0), right: true },
  ];
}

function renderTable(each: TraceTable, { lead }: Options, terminal: Terminal): string {
  const colour = terminal.isTty && !terminal.env['NO_COLOR'] && terminal.env['TERM'] !== 'dumb';
  const dim = (text: string): string => (colour ? `\u001b[2m${text}\u001b[22m` : text);
  const { recall, falseAlarmRatio } = each.reactive;
  return [
    `${each.column === undefined ? 'all columns' : oneLine(each.column) || 'values'}: ${each.series} series, ${each.settled} forecasts scored (* the better naive rule)`,
    table(each.rows, columnsFor(each), { dim }),
    each.events === 0 ? 'no overloads to foresee' : `${each.events} overloads, to be foreseen ${lead} steps ahead; "the value is above the threshold now" recalls ${percent(recall)} at ${percent(falseAlarmRatio)} false alarms`,
    `verdict: ${verdictOf(each).text}`,
  ].join('\n');
}
