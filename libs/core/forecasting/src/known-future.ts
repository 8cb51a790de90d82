import { isRefusal, refuse, type InstantMs, type Refusal } from '@godwit/kernel';
import { stepsOf, type Forecast } from './forecast.js';

/** What is known to come: a reservation, a scheduled task, an external load forecast. */
export interface KnownLoad {
  readonly fromMs: InstantMs;
  /** The load ends here; after `fromMs`. */
  readonly toMs: InstantMs;
  /** Added demand in the unit of the forecast; negative where load is known to leave. */
  readonly amount: number;
}

/**
 * The forecast with known loads added, each by the share of a step that it covers. Every quantile moves alike: a known load is
 * taken as certain. A load that already runs at the time of issue is part of what was observed; only its end is news, so it is
 * added by its change against the time of issue.
 * Refuses a load whose numbers are not finite or whose end is not after its start, naming `loads[i]`.
 */
export function withKnownFuture(forecast: Forecast, loads: readonly KnownLoad[]): Forecast | Refusal {
  for (const [i, load] of loads.entries()) {
    const refusal = check(load, `loads[${i}]`);
    if (isRefusal(refusal)) return refusal;
  }
  const { issuedAtMs, stepMs, levels } = forecast;
  const values = forecast.values.slice();
  const width = levels.length;
  for (const { fromMs, toMs, amount } of loads) {
    const atIssue = fromMs <= issuedAtMs && issuedAtMs < toMs ? 1 : 0;
    for (let k = 0; k < stepsOf(forecast); k++) {
      const start = issuedAtMs + k * stepMs;
      const covered = Math.max(0, Math.min(toMs, start + stepMs) - Math.max(fromMs, start)) / stepMs;
      const change = amount * (covered - atIssue);
      if (change === 0) continue;
      for (let at = k * width; at < (k + 1) * width; at++) values[at] = values[at]! + change;
    }
  }
  return { ...forecast, values };
}

function check(load: KnownLoad, field: string): Refusal | undefined {
  if (!Number.isFinite(load.fromMs)) return refuse('invalid-field', 'The start is not a finite time.', `${field}.fromMs`);
  if (!Number.isFinite(load.toMs) || load.toMs <= load.fromMs) {
    return refuse('invalid-field', 'The end is not a finite time after the start.', `${field}.toMs`);
  }
  if (!Number.isFinite(load.amount)) return refuse('invalid-field', 'The amount is not a finite number.', `${field}.amount`);
  return undefined;
}
