/** A forecast of the core as the message that goes out. */
import { assessRisk, type Forecast } from '@godwit/forecasting';
import type { ForecastMessage } from '@godwit/wire';

export interface MessageParts {
  readonly id: string;
  readonly forecast: Forecast;
  readonly demandNow: number;
  readonly observations: number;
  /** In the unit of the forecast; a thread has none. */
  readonly capacity?: number | undefined;
}

export function forecastMessage({ id, forecast, demandNow, observations, capacity }: MessageParts): ForecastMessage {
  const { resource, unit, issuedAtMs, stepMs, levels, values, models } = forecast;
  return {
    id, resource, unit, issuedAtMs, stepMs, levels, values: listed(values),
    // Before any forecast was settled there is no loss; the wire has 0 for that, and `observations` tells how young it is.
    models: models.map(({ name, weight, pinballLoss }) => ({ model: name, weightRatio: weight, pinballLoss: pinballLoss ?? 0 })),
    demandNow, observations, ...(capacity === undefined ? {} : riskOf(forecast, capacity)),
  };
}

function riskOf(forecast: Forecast, capacity: number): Partial<ForecastMessage> {
  const { probability, timeToOverloadMs: { p10, p50, p90 } } = assessRisk(forecast, capacity);
  return {
    capacity, riskRatio: Math.min(1, Math.max(0, probability)),
    ...(p10 === null ? {} : { overloadInMsP10: p10 }), ...(p50 === null ? {} : { overloadInMs: p50 }), ...(p90 === null ? {} : { overloadInMsP90: p90 }),
  };
}

/** As `[...values]`, which takes twenty times as long: hundreds of numbers a message, thousands of messages a second. */
function listed(values: Float64Array): number[] {
  const list = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) list[i] = values[i]!;
  return list;
}
