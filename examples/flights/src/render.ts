/** The live view: a pure function from what is known to lines of text. Two forms: a screen, and one line per change. */
import { timeOfDay } from './day.js';
import type { DecisionLive, DeviceLive, LiveState, MigrationLive, ThreadLive } from './live-state.js';

export interface RenderOptions {
  /** Characters in a row, and rows. */
  readonly columns: number;
  readonly rows: number;
  readonly colours: boolean;
}
type Paint = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
const CODES: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31, cyan: 36 };

const ESCAPE = '\x1b';
const COLOUR_CODE = new RegExp(`(${ESCAPE}\\[[0-9;]*m)`);

const BAR_CELLS = 30;
/** What a full bar stands for, as a share of capacity: demand beyond capacity must be seen. */
const BAR_RATIO = 1.5;
const DECISIONS_SHOWN = 4;
const MIGRATIONS_SHOWN = 3;
const LEAST_COLUMNS = 60;

const cores = (value: number): string => value.toFixed(2);
export const bytesText = (value: number): string =>
  (value >= 1024 * 1024 ? `${(value / 1024 / 1024).toFixed(1)} MiB` : value >= 1024 ? `${(value / 1024).toFixed(1)} KiB` : `${value} B`);
export const msText = (value: number): string => (value >= 10_000 ? `${(value / 1_000).toFixed(1)} s` : value >= 100 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`);
const since = (state: LiveState, atMs: number): string => `${((atMs - state.startedAtMs) / 1_000).toFixed(1).padStart(6)} s`;

/** Visible characters only: colours take no place. */
function fit(line: string, columns: number): string {
  let seen = 0;
  let out = '';
  for (const part of line.split(COLOUR_CODE)) {
    if (part.startsWith(ESCAPE)) out += part;
    else {
      const left = Math.max(0, columns - seen);
      const chars = [...part];
      out += chars.length > left ? chars.slice(0, Math.max(0, left - 1)).join('') + (left > 0 ? '…' : '') : part;
      seen += chars.length;
    }
  }
  return out;
}

class Screen {
  readonly lines: string[] = [];
  constructor(private readonly options: RenderOptions) {}
  paint(paint: Paint, text: string): string {
    return this.options.colours ? `${ESCAPE}[${CODES[paint]}m${text}${ESCAPE}[0m` : text;
  }
  add(line = ''): void {
    this.lines.push(fit(line, this.options.columns));
  }
  /** Breaks between words; the rows after the first begin below the text of the first. */
  addWrapped(head: string, text: string, most: number): void {
    let row = '';
    const rows: string[] = [];
    const indent = ' '.repeat(head.length);
    for (const word of text.split(' ')) {
      if (row !== '' && head.length + row.length + 1 + word.length > this.options.columns) {
        rows.push(row);
        row = word;
      } else row = row === '' ? word : `${row} ${word}`;
    }
    rows.push(row);
    const shown = rows.slice(0, most);
    shown.forEach((part, i) => this.add(`${i === 0 ? head : indent}${part}${i === most - 1 && rows.length > most ? ' …' : ''}`));
  }
}

/** `█` demand now, `▒` what is forecast beyond it (90th percentile), `│` the capacity. */
export function bar(demandCores: number, forecastCores: number, capacityCores: number): string {
  const cell = (value: number): number => Math.min(BAR_CELLS, Math.round((value / (capacityCores * BAR_RATIO)) * BAR_CELLS));
  const now = cell(demandCores);
  const ahead = Math.max(now, cell(forecastCores));
  const capacityAt = cell(capacityCores);
  const cells: string[] = Array.from({ length: BAR_CELLS }, (_, i) => (i < now ? '█' : i < ahead ? '▒' : '·'));
  cells.splice(capacityAt, 0, '│');
  return cells.join('');
}

function deviceLine(screen: Screen, id: string, { spec, usedCores, forecast }: DeviceLive, threads: readonly string[]): string {
  const now = forecast?.demandNowCores ?? usedCores;
  const peak = forecast?.peakP90Cores ?? now;
  const paint: Paint = now > spec.cpuCores ? 'red' : peak > spec.cpuCores ? 'yellow' : 'green';
  const risk = forecast?.riskRatio === undefined ? '' : ` risk ${Math.round(forecast.riskRatio * 100)}%`;
  const soon = forecast?.overloadInMs === undefined ? '' : `, full in ${(forecast.overloadInMs / 1_000).toFixed(0)} s`;
  const facts = `${cores(now)} → ${cores(peak)} of ${cores(spec.cpuCores)}${risk}${soon}`;
  const place = screen.paint('dim', `${spec.place.rack} ${spec.pricePerHour.toFixed(2)} $/h`);
  return `${id.padEnd(9)} ${screen.paint(paint, bar(now, peak, spec.cpuCores))} ${facts.padEnd(38)} ${place}  ${threads.join(' ')}`;
}

function threadLine(screen: Screen, id: string, thread: ThreadLive, moving: MigrationLive | undefined): string {
  const latency = thread.latencyMsP99 === undefined ? '–' : `${msText(thread.latencyMsP50 ?? 0)} / ${msText(thread.latencyMsP99)}`;
  const where = moving ? screen.paint('cyan', `→ ${moving.target} ${moving.phases.at(-1)?.phase ?? ''}`) : '';
  const backlog = String(thread.backlogRecords).padStart(7);
  return `${id.padEnd(9)} ${(thread.device || 'waiting').padEnd(9)} ${String(thread.epoch).padStart(5)} ${cores(thread.cpuCores).padStart(6)} ${
    thread.backlogRecords > 5 ? screen.paint('red', backlog) : backlog} ${latency.padStart(19)} ${bytesText(thread.stateBytes).padStart(10)} ${where}`;
}

const isUnderWay = ({ phases }: MigrationLive): boolean => !['retired', 'rolled-back', 'failed-over'].includes(phases.at(-1)?.phase ?? '');

export function migrationText(migration: MigrationLive): string {
  const { thread, source, target, outcome, freezeMs, sizeBytes, digest, failure, phases } = migration;
  const facts = [
    outcome ?? phases.at(-1)?.phase ?? 'planned', ...(freezeMs === undefined ? [] : [`freeze ${msText(freezeMs)}`]), ...(sizeBytes === undefined ? [] : [bytesText(sizeBytes)]),
    ...(digest === undefined ? [] : [`digest ${digest.slice(0, 12)}…`]), ...(failure === undefined ? [] : [failure]),
  ];
  return `${thread}: ${source} → ${target}  ${facts.join(' · ')}`;
}

function phasesText({ phases, plannedAtMs }: MigrationLive): string {
  return phases.map(({ phase, atMs }) => `${phase} +${Math.round(atMs - plannedAtMs)}`).join('  ');
}

export function decisionText({ action, trigger, thread, source, target, reason }: DecisionLive): string {
  const way = target === undefined ? '' : source === undefined || source === target ? ` on ${target}` : ` ${source} → ${target}`;
  return `${action} ${thread}${way} (${trigger}): ${reason}`;
}

/** The whole screen, at most `rows` lines of at most `columns` characters. */
export function renderScreen(state: LiveState, options: RenderOptions): string[] {
  const screen = new Screen({ ...options, columns: Math.max(LEAST_COLUMNS, options.columns) });
  const { paint } = { paint: screen.paint.bind(screen) };
  screen.add(`${paint('bold', 'Godwit')}  ${state.title}   ${paint('bold', timeOfDay(state.dayRatio))} of day ${state.day}   ${state.flightsSent} flights in, ${state.flightsCounted} on the board   ${since(state, state.nowMs).trim()}`);
  screen.add();
  screen.add(paint('dim', 'device    █ demand now  ▒ forecast (p90)  │ capacity  cores'));
  for (const [id, device] of state.devices) screen.add(deviceLine(screen, id, device, [...state.threads].filter(([, thread]) => thread.device === id).map(([thread]) => thread)));
  screen.add();
  screen.add(paint('dim', 'thread    device    epoch    CPU backlog   latency p50 / p99      state'));
  for (const [id, thread] of state.threads) screen.add(threadLine(screen, id, thread, state.migrations.find((migration) => migration.thread === id && isUnderWay(migration))));
  if (state.decisions.length > 0) {
    screen.add();
    screen.add(paint('dim', 'decisions, newest first'));
    for (const decision of state.decisions.slice(-DECISIONS_SHOWN).reverse()) {
      screen.addWrapped(`${since(state, decision.atMs)}  `, decisionText(decision), 3);
      if (decision.settled) screen.add(`${' '.repeat(10)}settled: ${decision.settled}`);
    }
  }
  if (state.migrations.length > 0) {
    screen.add();
    screen.add(paint('dim', 'migrations, newest first (phases in ms after the plan)'));
    for (const migration of state.migrations.slice(-MIGRATIONS_SHOWN).reverse()) {
      const colour: Paint = migration.outcome === 'committed' ? 'green' : migration.outcome === undefined ? 'cyan' : 'red';
      screen.add(`${since(state, migration.plannedAtMs)}  ${paint(colour, migrationText(migration))}`);
      screen.add(`${' '.repeat(10)}${paint('dim', phasesText(migration))}`);
    }
  }
  const notes = state.notes.map((note) => fit(paint('dim', note), options.columns));
  const room = Math.max(1, options.rows - notes.length - 1);
  return [...screen.lines.slice(0, room), ...(notes.length === 0 ? [] : ['', ...notes])].slice(0, options.rows);
}

/** One line per change between two states, each with the elapsed seconds: for pipes and logs. */
export function renderChanges(before: LiveState, after: LiveState): string[] {
  const at = (atMs: number): string => `[${((atMs - after.startedAtMs) / 1_000).toFixed(1).padStart(6)} s]`;
  const lines: string[] = [];
  for (const [id, thread] of after.threads) {
    const old = before.threads.get(id);
    if (thread.epoch > 0 && thread.epoch !== old?.epoch) lines.push(`${at(after.nowMs)} ${id} runs on ${thread.device}, epoch ${thread.epoch}`);
  }
  for (const decision of after.decisions) {
    const old = before.decisions.find((known) => known.decision === decision.decision);
    if (!old) lines.push(`${at(decision.atMs)} decision: ${decisionText(decision)}`);
    if (decision.settled && !old?.settled) lines.push(`${at(after.nowMs)} settled: ${decision.action} ${decision.thread}: ${decision.settled}`);
  }
  for (const migration of after.migrations) {
    const old = before.migrations.find((known) => known.migration === migration.migration);
    for (const { phase, atMs } of migration.phases.slice(old?.phases.length ?? 0)) lines.push(`${at(atMs)} migration of ${migration.thread} to ${migration.target}: ${phase}`);
    if (!isUnderWay(migration) && (!old || isUnderWay(old))) lines.push(`${at(after.nowMs)} migration ${migrationText(migration)}`);
  }
  const hour = (state: LiveState): number => state.day * 24 + Math.floor(state.dayRatio * 24);
  if (hour(after) !== hour(before)) lines.push(hourLine(after, at(after.nowMs)));
  return lines;
}

function hourLine(state: LiveState, at: string): string {
  const devices = [...state.devices].map(([id, { spec, usedCores, forecast }]) => `${id} ${cores(forecast?.demandNowCores ?? usedCores)}→${cores(forecast?.peakP90Cores ?? usedCores)}/${cores(spec.cpuCores)}`);
  const late = [...state.threads].filter(([, { latencyMsP99 }]) => latencyMsP99 !== undefined).map(([id, { latencyMsP99 }]) => `${id} ${msText(latencyMsP99!)}`);
  return `${at} ${timeOfDay(state.dayRatio)} of the day; demand → forecast / capacity: ${devices.join(', ')}; latency p99: ${late.join(', ') || 'none yet'}`;
}
