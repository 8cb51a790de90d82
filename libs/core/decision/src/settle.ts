/**
 * Expected against realised, computed from measured demand: what was left unserved, against what would have been had the
 * decision not been taken. Unserved is demand above capacity, and all demand of a thread that runs nowhere.
 */
import { refuse, type DurationMs, type InstantMs, type Refusal } from '@godwit/kernel';
import type { Decision, Settlement } from './decision.js';

/** One device over the settled span; both rows on the same steps, in cores. Demand is usage plus what waited, all threads included. */
export interface ObservedDevice {
  readonly capacityCores: readonly number[];
  readonly demandCores: readonly number[];
}

export interface Observed {
  readonly settledAtMs: InstantMs;
  readonly stepMs: DurationMs;
  readonly source?: ObservedDevice;
  readonly target?: ObservedDevice;
  /**
   * What the decision shifted, at each step, cores: the thread's measured demand, wherever it was; for a throttle the part
   * of it that was withheld, for the end of one the part that was set free.
   */
  readonly threadDemandCores: readonly number[];
  /** First step at which the decision had effect; absent when that never came (rolled back). */
  readonly effectiveFromStep?: number;
}

/** A realised gain within this of zero is neither help nor harm, core-seconds; or within this share of what was expected. */
const INDIFFERENT_CORE_SECONDS = 0.05;
const INDIFFERENT_RATIO = 0.1;

/** Cores that go unserved at step k with `more` demand; summed over the span in core-seconds. */
function unserved(observed: Observed, device: ObservedDevice | undefined, sign: 1 | 0 | -1): number {
  if (device === undefined) return 0;
  const from = observed.effectiveFromStep ?? Infinity;
  const cores = device.demandCores.reduce((sum, demand, k) => {
    const shifted = k >= from ? sign * (observed.threadDemandCores[k] ?? 0) : 0;
    return sum + Math.max(0, demand + shifted - device.capacityCores[k]!);
  }, 0);
  return (cores * observed.stepMs) / 1_000;
}

const shiftedCoreSeconds = (observed: Observed): number =>
  (observed.threadDemandCores.slice(observed.effectiveFromStep ?? Infinity).reduce((sum, d) => sum + d, 0) * observed.stepMs) / 1_000;

/** Core-seconds that would have gone unserved without the decision. */
function withoutIt(action: Decision['action'], observed: Observed): number {
  const { source, target } = observed;
  switch (action) {
    case 'migrate': return unserved(observed, source, 1) + unserved(observed, target, -1);
    case 'place': case 'restore': return shiftedCoreSeconds(observed) + unserved(observed, target, -1);
    case 'throttle': return unserved(observed, source, 1);
    case 'unthrottle': return shiftedCoreSeconds(observed) + unserved(observed, source, -1);
    case 'keep': return unserved(observed, source, 0);
  }
}

/** The verdict on a decision after its horizon. A dead source is left out of `observed`. */
export function settle(decision: Decision, observed: Observed): Settlement | Refusal {
  for (const end of ['source', 'target'] as const) {
    const device = observed[end];
    if (device && device.capacityCores.length !== device.demandCores.length) return refuse('invalid-field', `${end}: capacity and demand differ in length`, `${end}.capacityCores`);
  }
  const { action, costCoreSeconds, expectedGainCoreSeconds } = decision;
  const base = { decision: decision.decision, thread: decision.thread, settledAtMs: observed.settledAtMs, expectedGainCoreSeconds };
  const actual = unserved(observed, observed.source, 0) + unserved(observed, observed.target, 0);
  const text = (value: number): string => value.toFixed(2);
  if (action === 'keep') {
    const missed = actual > INDIFFERENT_CORE_SECONDS;
    return { ...base, realisedGainCoreSeconds: 0, verdict: missed ? 'useless' : 'helped',
      note: missed ? `nothing was done, and ${text(actual)} core-seconds of overload came` : 'nothing was done, and no overload came' };
  }
  if (observed.effectiveFromStep === undefined) return { ...base, realisedGainCoreSeconds: 0, verdict: 'useless', note: 'the decision never took effect' };
  const otherwise = withoutIt(action, observed);
  const realised = otherwise - actual;
  const net = realised - costCoreSeconds;
  const band = Math.max(INDIFFERENT_CORE_SECONDS, INDIFFERENT_RATIO * Math.abs(expectedGainCoreSeconds));
  const verdict = net > band ? 'helped' : net < -band ? 'harmful' : 'useless';
  const note = `${text(actual)} core-seconds went unserved, without it ${text(otherwise)}; a gain of ${text(expectedGainCoreSeconds)} was expected after a cost of ${text(costCoreSeconds)}`;
  return { ...base, realisedGainCoreSeconds: realised, verdict, note };
}
