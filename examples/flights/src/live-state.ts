/**
 * What a viewer knows of the running system, as a pure fold over what the services publish. Owns no clock and no
 * connection; bounded, since `npm start` runs for days.
 */
import { isRefusal, type DeviceId, type DurationMs, type InstantMs, type Refusal, type ThreadId } from '@godwit/kernel';
import type { ForecastMessage, DecisionRecord, MigrationStatus, SampleBatch } from '@godwit/wire';
import type { DeviceSpec } from '@godwit/registry';

export interface ForecastInShort {
  readonly demandNowCores: number;
  /** Highest demand within the horizon, at the median and at the 90th percentile, cores. */
  readonly peakP50Cores: number;
  readonly peakP90Cores: number;
  readonly horizonMs: DurationMs;
  /** Probability that demand passes capacity within the horizon, 0..1; only of devices. */
  readonly riskRatio?: number;
  readonly overloadInMs?: DurationMs;
  /** The model that weighs most. */
  readonly model: string;
}
export interface DeviceLive {
  readonly spec: DeviceSpec;
  readonly usedCores: number;
  readonly forecast?: ForecastInShort;
}
export interface ThreadLive {
  readonly device: string;
  readonly epoch: number;
  readonly cpuCores: number;
  readonly backlogRecords: number;
  readonly latencyMsP50?: DurationMs;
  readonly latencyMsP99?: DurationMs;
  readonly stateBytes: number;
  readonly forecast?: ForecastInShort;
}
export interface DecisionLive {
  readonly decision: string;
  readonly atMs: InstantMs;
  readonly thread: string;
  readonly action: string;
  readonly trigger: string;
  readonly source?: string;
  readonly target?: string;
  readonly reason: string;
  readonly settled?: string;
}
export interface MigrationLive {
  readonly migration: string;
  readonly thread: string;
  readonly source: string;
  readonly target: string;
  readonly plannedAtMs: InstantMs;
  readonly phases: readonly { readonly phase: string; readonly atMs: InstantMs }[];
  readonly outcome?: string;
  readonly freezeMs?: DurationMs;
  readonly sizeBytes?: number;
  readonly digest?: string;
  readonly failure?: string;
}
export interface LiveState {
  readonly title: string;
  readonly startedAtMs: InstantMs;
  readonly nowMs: InstantMs;
  /** How far the day is, 0..1, and which day of this run. */
  readonly dayRatio: number;
  readonly day: number;
  readonly flightsSent: number;
  readonly flightsCounted: number;
  readonly devices: ReadonlyMap<string, DeviceLive>;
  readonly threads: ReadonlyMap<string, ThreadLive>;
  /** Newest last, at most `KEPT`. */
  readonly decisions: readonly DecisionLive[];
  readonly migrations: readonly MigrationLive[];
  /** Where to look further, shown below. */
  readonly notes: readonly string[];
}
export const KEPT = 50;

export type LiveEvent =
  | { readonly type: 'tick'; readonly nowMs: InstantMs }
  | { readonly type: 'day'; readonly day: number; readonly ratio: number; readonly flightsSent: number }
  | { readonly type: 'counted'; readonly flights: number }
  | { readonly type: 'samples'; readonly batch: SampleBatch }
  | { readonly type: 'forecast'; readonly of: 'device' | 'thread'; readonly forecast: ForecastMessage }
  | { readonly type: 'decision'; readonly record: DecisionRecord }
  | { readonly type: 'migration'; readonly status: MigrationStatus }
  | { readonly type: 'owner'; readonly thread: ThreadId; readonly device: DeviceId; readonly epoch: number };

export const beginning = (options: { readonly title: string; readonly nowMs: InstantMs; readonly devices: readonly DeviceSpec[]; readonly notes: readonly string[] }): LiveState => ({
  title: options.title, startedAtMs: options.nowMs, nowMs: options.nowMs, dayRatio: 0, day: 1, flightsSent: 0, flightsCounted: 0,
  devices: new Map(options.devices.map((spec) => [spec.device, { spec, usedCores: 0 }])), threads: new Map(), decisions: [], migrations: [], notes: options.notes,
});

export function fold(state: LiveState, event: LiveEvent): LiveState {
  switch (event.type) {
    case 'tick': return { ...state, nowMs: event.nowMs };
    case 'day': return { ...state, day: event.day, dayRatio: event.ratio, flightsSent: event.flightsSent };
    case 'counted': return { ...state, flightsCounted: event.flights };
    case 'samples': return withSamples(state, event.batch);
    case 'forecast': return withForecast(state, event.of, inShort(event.forecast), event.forecast.id);
    case 'decision': return withDecision(state, event.record);
    case 'migration': return { ...state, migrations: withStatus(state.migrations, event.status) };
    case 'owner': return withThread(state, event.thread, { device: event.device, epoch: event.epoch });
  }
}

const NEW_THREAD: ThreadLive = { device: '', epoch: 0, cpuCores: 0, backlogRecords: 0, stateBytes: 0 };
const withThread = (state: LiveState, thread: string, change: Partial<ThreadLive>): LiveState =>
  ({ ...state, threads: new Map(state.threads).set(thread, { ...(state.threads.get(thread) ?? NEW_THREAD), ...change }) });

/** Mean of what was read; rates in a batch jump from row to row. */
function mean(values: readonly number[]): number | undefined {
  const read = values.filter(Number.isFinite);
  return read.length === 0 ? undefined : read.reduce((sum, value) => sum + value, 0) / read.length;
}
const newest = (values: readonly number[]): number | undefined => values.findLast(Number.isFinite);

const THREAD_FIELDS: Readonly<Record<string, { readonly field: 'cpuCores' | 'backlogRecords' | 'latencyMsP50' | 'latencyMsP99' | 'stateBytes'; readonly of: (values: readonly number[]) => number | undefined }>> = {
  'cpu.cores': { field: 'cpuCores', of: mean }, 'input.backlog_records': { field: 'backlogRecords', of: newest }, 'memory.bytes': { field: 'stateBytes', of: newest },
  'latency.ms_p50': { field: 'latencyMsP50', of: newest }, 'latency.ms_p99': { field: 'latencyMsP99', of: newest },
};

function withSamples(state: LiveState, batch: SampleBatch): LiveState {
  let next = state;
  for (const { thread, metric, values } of batch.columns) {
    if (thread === '' && metric === 'cpu.cores') {
      const device = next.devices.get(batch.device);
      const usedCores = mean(values);
      if (device && usedCores !== undefined) next = { ...next, devices: new Map(next.devices).set(batch.device, { ...device, usedCores }) };
    }
    const wanted = thread === '' ? undefined : THREAD_FIELDS[metric];
    const value = wanted?.of(values);
    // A former owner's last batch may come after the move.
    const known = next.threads.get(thread);
    if (wanted && value !== undefined && (known === undefined || known.device === '' || known.device === batch.device)) next = withThread(next, thread, { [wanted.field]: value });
  }
  return next;
}

/** @returns the values at one quantile, step by step. */
function column({ levels, values }: ForecastMessage, level: number): number[] {
  const at = levels.reduce((best, candidate, i) => (Math.abs(candidate - level) < Math.abs(levels[best]! - level) ? i : best), 0);
  return Array.from({ length: levels.length === 0 ? 0 : values.length / levels.length }, (_, step) => values[step * levels.length + at]!);
}

export function inShort(forecast: ForecastMessage): ForecastInShort {
  const p50 = column(forecast, 0.5);
  const { demandNow, riskRatio, overloadInMs, models } = forecast;
  return {
    demandNowCores: demandNow, peakP50Cores: Math.max(0, ...p50), peakP90Cores: Math.max(0, ...column(forecast, 0.9)), horizonMs: p50.length * forecast.stepMs,
    model: models[0]?.model ?? 'none', ...(riskRatio === undefined ? {} : { riskRatio }), ...(overloadInMs === undefined ? {} : { overloadInMs }),
  };
}

function withForecast(state: LiveState, of: 'device' | 'thread', forecast: ForecastInShort, id: string): LiveState {
  if (of === 'thread') return state.threads.has(id) ? withThread(state, id, { forecast }) : state;
  const device = state.devices.get(id);
  return device ? { ...state, devices: new Map(state.devices).set(id, { ...device, forecast }) } : state;
}

function withDecision(state: LiveState, { decision, settlement }: DecisionRecord): LiveState {
  let { decisions } = state;
  if (decision && !decisions.some((known) => known.decision === decision.decision)) {
    const { atMs, thread, action, trigger, source, target, reason } = decision;
    decisions = [...decisions, { decision: decision.decision, atMs, thread, action, trigger, reason, ...(source ? { source } : {}), ...(target ? { target } : {}) }].slice(-KEPT);
  }
  if (settlement) {
    const settled = `${settlement.verdict}: ${settlement.realisedGainCoreSeconds.toFixed(2)} core-seconds gained, ${settlement.expectedGainCoreSeconds.toFixed(2)} expected`;
    decisions = decisions.map((known) => (known.decision === settlement.decision ? { ...known, settled } : known));
  }
  return { ...state, decisions };
}

function withStatus(migrations: readonly MigrationLive[], status: MigrationStatus): readonly MigrationLive[] {
  const { migration, thread, source, target, plannedAtMs, phase, atMs, outcome, freezeMs, sizeBytes, digestSha256, failureReason } = status;
  const before = migrations.find((known) => known.migration === migration);
  const told = before?.phases ?? [];
  const phases = told.some((known) => known.phase === phase) ? told : [...told, { phase, atMs }];
  const next: MigrationLive = {
    ...(before ?? { migration, thread, source, target, plannedAtMs }), phases, ...(outcome ? { outcome } : {}), ...(freezeMs === undefined ? {} : { freezeMs }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }), ...(digestSha256 ? { digest: digestSha256 } : {}), ...(failureReason ? { failure: failureReason } : {}),
  };
  return before ? migrations.map((known) => (known === before ? next : known)) : [...migrations, next].slice(-KEPT);
}

/** Decodes what came and folds it; what is malformed is left out, as every viewer does. */
export function foldDecoded<T extends object>(state: LiveState, decoded: T | Refusal, toEvent: (told: T) => LiveEvent): LiveState {
  return isRefusal(decoded) ? state : fold(state, toEvent(decoded));
}
