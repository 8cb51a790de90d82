/** The demand of one device or thread: its series, its forecasts as messages, and the roll-ups that wait to become history. */
import { isRefusal, type DeviceId, type DurationMs, type InstantMs } from '@godwit/kernel';
import { assessRisk, Series, withKnownFuture, type Forecast, type KnownLoad } from '@godwit/forecasting';
import type { Reading } from '@godwit/telemetry';
import { DEMAND_METRIC, type ForecastMessage, type History } from '@godwit/wire';
import { STEP_MS } from './roll-up.js';

/** Rows of one history message. */
export const HISTORY_ROWS = 10;
const UNIT = 'cores';
/** Steps ahead to which errors are tracked at least. */
const LEAST_TRACKED_STEPS = 64;

interface Row { readonly atMs: InstantMs; readonly reading: Reading }

export class DemandSeries {
  /** Demand in the newest step, cores; undefined before the first. */
  demandNow: number | undefined;
  private readonly series: Series;
  private rows: Row[] = [];
  private device: DeviceId | undefined;

  constructor(private readonly id: string, private readonly horizonMs: DurationMs) {
    this.series = new Series({ resource: DEMAND_METRIC, unit: UNIT, floor: 0, maxHorizonSteps: Math.max(LEAST_TRACKED_STEPS, Math.ceil(horizonMs / STEP_MS)) });
  }

  /**
   * @param demandCores undefined when the step tells none: it is noted in the history, and the series skips it.
   * @param atMs end of the step.
   * @returns a history message when one is full.
   */
  observe(step: { readonly atMs: InstantMs; readonly device: DeviceId; readonly reading: Reading; readonly demandCores: number | undefined }): History | undefined {
    const { atMs, device, reading, demandCores } = step;
    if (demandCores !== undefined) this.learn(demandCores, atMs);
    const full = this.rows.length > 0 && this.device !== device ? this.takeHistory() : undefined;
    this.device = device;
    this.rows.push({ atMs, reading: demandCores === undefined ? reading : { ...reading, [DEMAND_METRIC]: demandCores } });
    return full ?? (this.rows.length >= HISTORY_ROWS ? this.takeHistory() : undefined);
  }

  replay(history: History): void {
    const demands = history.columns.find(({ metric }) => metric === DEMAND_METRIC)?.values ?? [];
    for (const [i, atMs] of history.atMs.entries()) if (Number.isFinite(demands[i])) this.learn(demands[i]!, atMs);
  }

  /** The middle of the second, so that rounding never puts it into a neighbour. */
  private learn(demandCores: number, atMs: InstantMs): void {
    if (this.series.observe(demandCores, atMs - STEP_MS / 2)) this.demandNow = demandCores;
  }

  /** What has not become history yet. */
  takeHistory(): History | undefined {
    const rows = this.rows.splice(0);
    if (rows.length === 0 || this.device === undefined) return undefined;
    const metrics = new Set(rows.flatMap(({ reading }) => Object.keys(reading)));
    return {
      id: this.id, device: this.device, atMs: rows.map(({ atMs }) => atMs),
      columns: [...metrics].map((metric) => ({ metric, values: rows.map(({ reading }) => reading[metric] ?? NaN) })),
    };
  }

  /** @param capacityCores of a device; a thread has none. Undefined before the first demand. */
  forecast(nowMs: InstantMs, known: readonly KnownLoad[], capacityCores?: number): ForecastMessage | undefined {
    const own = this.demandNow === undefined ? undefined : this.series.forecast(nowMs, this.horizonMs, STEP_MS);
    if (!own) return undefined;
    const shifted = shift(own, known);
    return {
      id: this.id, resource: shifted.resource, unit: shifted.unit, issuedAtMs: nowMs, stepMs: STEP_MS, levels: shifted.levels, values: [...shifted.values],
      // Before any forecast was settled there is no loss; the wire has 0 for that, and `observations` tells how young it is.
      models: shifted.models.map(({ name, weight, pinballLoss }) => ({ model: name, weightRatio: weight, pinballLoss: pinballLoss ?? 0 })),
      demandNow: this.demandNow!, observations: this.series.learntSteps, ...(capacityCores === undefined ? {} : riskOf(shifted, capacityCores)),
    };
  }
}

function shift(forecast: Forecast, known: readonly KnownLoad[]): Forecast {
  if (known.length === 0) return forecast;
  const shifted = withKnownFuture(forecast, known);
  // The registry's intervals were checked before; one that is odd all the same must not cost the whole forecast.
  if (isRefusal(shifted)) return forecast;
  for (let i = 0; i < shifted.values.length; i++) if (shifted.values[i]! < 0) shifted.values[i] = 0;
  return shifted;
}

function riskOf(forecast: Forecast, capacity: number): Pick<ForecastMessage, 'capacity' | 'riskRatio' | 'overloadInMs'> {
  const { probability, timeToOverloadMs: { p50 } } = assessRisk(forecast, capacity);
  return { capacity, riskRatio: Math.min(1, Math.max(0, probability)), ...(p50 === null ? {} : { overloadInMs: p50 }) };
}
