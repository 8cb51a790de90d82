/** The demand of one device or thread: its series, its forecasts as messages, and the roll-ups that wait to become history. */
import { isRefusal, type DeviceId, type InstantMs } from '@godwit/kernel';
import { withKnownFuture, type Forecast, type KnownLoad, type ModelDefinition, type Series } from '@godwit/forecasting';
import type { Reading } from '@godwit/telemetry';
import { DEMAND_METRIC, type ForecastMessage, type History } from '@godwit/wire';
import { forecastMessage } from './forecast-message.js';
import { STEP_MS } from './roll-up.js';
import type { SeriesMaker } from './series-making.js';

/** Rows of one history message. */
export const HISTORY_ROWS = 10;
const UNIT = 'cores';

interface Row { readonly atMs: InstantMs; readonly reading: Reading }

export class DemandSeries {
  /** Demand in the newest step, cores; undefined before the first. */
  demandNow: number | undefined;
  private readonly series: Series;
  private rows: Row[] = [];
  private device: DeviceId | undefined;

  constructor(private readonly id: string, private readonly maker: SeriesMaker, kind: { readonly kindName: string; readonly beside?: readonly ModelDefinition[] }) {
    this.series = maker.make({ ...kind, resource: DEMAND_METRIC, unit: UNIT });
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

  /** @param onRow told of each row after it was learnt, with its demand where it is known. */
  replay(history: History, onRow?: (row: number, demandCores: number | undefined) => void): void {
    const demands = history.columns.find(({ metric }) => metric === DEMAND_METRIC)?.values ?? [];
    for (const [i, atMs] of history.atMs.entries()) {
      const demand = Number.isFinite(demands[i]) ? demands[i] : undefined;
      if (demand !== undefined) this.learn(demand, atMs);
      onRow?.(i, demand);
    }
  }

  /** The middle of the second, so that rounding never puts it into a neighbour. */
  private learn(demandCores: number, atMs: InstantMs): void {
    if (this.series.observe(demandCores, atMs - STEP_MS / 2)) this.demandNow = demandCores;
  }

  /** What the neural model reads and answers, see `neural-forecaster.ts`. */
  history(into: Float64Array): number {
    return this.series.history(into);
  }
  get historyEndMs(): InstantMs {
    return this.series.historyEndMs;
  }
  acceptNeural(issuedAtMs: InstantMs, values: Float64Array): void {
    this.series.acceptExternal({ model: 'lstm', issuedAtMs, stepMs: STEP_MS, values });
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
    const own = this.demandNow === undefined ? undefined : this.series.forecast(nowMs, this.maker.horizonMs, STEP_MS);
    return own && forecastMessage({ id: this.id, forecast: shift(own, known), demandNow: this.demandNow!, observations: this.series.learntSteps, capacity: capacityCores });
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
