/** One thread, one target: filters, then both ends simulated, then scores and cost. */
import type { Board, DeviceState, ThreadState } from './board.js';
import { COSTS } from './cost/index.js';
import { coreSeconds } from './demand-path.js';
import type { Candidate, PluginVerdict } from './decision.js';
import { FILTERS, type FilterPlugin } from './filter/index.js';
import { predictedLatency } from './latency.js';
import { estimateMove } from './move-estimate.js';
import type { MoveRequest, Purpose, Simulated } from './request.js';
import { SCORES } from './score/index.js';

export interface Aim {
  readonly purpose: Purpose;
  /** Pressure is measured against this share of capacity; 1 unless the trigger has a lower mark. */
  readonly capacityRatio: number;
  /** Demand that the thread serves later than its goal counts too. */
  readonly forGoal: boolean;
  /** Filters that are not asked, when something is better than nothing. */
  readonly waived?: readonly string[];
}

export interface Refused {
  readonly kind: 'refused';
  readonly request: MoveRequest;
  readonly candidate: Candidate;
  readonly by: FilterPlugin;
  readonly reason: string;
}
export interface Rated {
  readonly kind: 'rated';
  readonly request: MoveRequest;
  readonly candidate: Candidate;
  readonly simulated: Simulated;
  readonly score: number;
  /** Core-seconds over the horizon; net = avoided - cost. */
  readonly net: number;
  readonly cost: number;
}
export type Evaluation = Refused | Rated;

function simulate({ thread, source, target, estimate }: MoveRequest, ratio: number): Simulated {
  const { fromStep } = estimate;
  const comes = { demand: thread.demand, sign: 1, fromStep } as const;
  const goes = { demand: thread.demand, sign: -1, fromStep } as const;
  const both = (mark: number): [before: number, after: number] => [
    (source?.load.overload(undefined, mark) ?? 0) + target.load.overload(undefined, mark),
    (source?.load.overload(goes, mark) ?? 0) + target.load.overload(comes, mark),
  ];
  const [overloadBefore, overloadAfter] = both(1);
  const [before, after] = ratio === 1 ? [overloadBefore, overloadAfter] : both(ratio);
  return { before, after, overloadBefore, overloadAfter };
}

/** Demand of the thread that would be served later than its goal on the source and not on the target, core-seconds. */
function goalGain({ thread, source, target, estimate }: MoveRequest): number {
  const goalMs = thread.view.goals.responseMsP99;
  if (goalMs === undefined || source === undefined) return 0;
  const late = (device: DeviceState): number => {
    const measuredMs = device === source ? thread.view.latencyMsP99 ?? 0 : 0;
    const latencyMs = Math.max(measuredMs, predictedLatency(thread, source, device, estimate.fromStep));
    return latencyMs > goalMs ? 1 - goalMs / latencyMs : 0;
  };
  return coreSeconds(thread.demand, target.load.grid, estimate.fromStep) * (late(source) - late(target));
}

export function evaluate(board: Board, thread: ThreadState, source: DeviceState | undefined, target: DeviceState, aim: Aim): Evaluation {
  const estimate = estimateMove(board, thread, source, target);
  const request: MoveRequest = { thread, target, purpose: aim.purpose, estimate, ...(source === undefined ? {} : { source }) };
  for (const by of FILTERS) {
    if (!by.purposes.includes(aim.purpose) || aim.waived?.includes(by.name)) continue;
    const reason = by.refuse(board, request);
    if (reason !== undefined) return { kind: 'refused', request, by, reason, candidate: { device: target.id, verdicts: [{ plugin: by.name, refusal: reason }] } };
  }
  const simulated = simulate(request, aim.capacityRatio);
  const verdicts = SCORES.map((plugin): PluginVerdict & { score: number; weight: number } =>
    ({ plugin: plugin.name, score: plugin.score(board, request, simulated), weight: board.limits.weights[plugin.name] }));
  const weights = verdicts.reduce((sum, v) => sum + v.weight, 0);
  const score = weights > 0 ? verdicts.reduce((sum, v) => sum + v.score * v.weight, 0) / weights : 0;
  const cost = COSTS.reduce((sum, plugin) => sum + plugin.coreSeconds(board, request), 0);
  // Without an owner the thread is served nothing: all of its demand is won.
  const served = source === undefined ? coreSeconds(thread.demand, board.grid) : 0;
  const net = simulated.before - simulated.after + served + (aim.forGoal ? goalGain(request) : 0) - cost;
  return { kind: 'rated', request, simulated, score, net, cost, candidate: { device: target.id, verdicts, score, overloadCoreSeconds: simulated.overloadAfter } };
}

/** Every device but the thread's own, in the order of ids. */
export function evaluateAll(board: Board, thread: ThreadState, source: DeviceState | undefined, aim: Aim): Evaluation[] {
  return [...board.devices.values()].filter((d) => d.id !== thread.device).map((target) => evaluate(board, thread, source, target, aim));
}

/** Highest score; among equals the greater net gain, then the smaller id. */
export function bestOf(evaluations: readonly Evaluation[], acceptable: (rated: Rated) => boolean): Rated | undefined {
  let best: Rated | undefined;
  for (const e of evaluations) {
    if (e.kind !== 'rated' || !acceptable(e)) continue;
    if (best === undefined || e.score > best.score || (e.score === best.score && e.net > best.net)) best = e;
  }
  return best;
}

/** Moves that were settled as useless or harmful raise what the next must promise; ten imagined good ones steady the start. */
export function netGainGate(board: Board): number {
  const { helped, useless, harmful } = board.snapshot.settled;
  const disappointed = Math.min(1, (useless + 2 * harmful) / (helped + useless + harmful + 10));
  return board.limits.netGainCoreSeconds * (1 + 3 * disappointed);
}

/** "Do nothing" beside the others. @param rest overload of the target it is compared with, core-seconds. */
export const stayCandidate = (source: DeviceState, rest: number): Candidate =>
  ({ device: source.id, verdicts: [{ plugin: 'stay' }], overloadCoreSeconds: source.load.overload() + rest });

/** Why no target would do: the refusals, at most three of them, those that say most first come first by id. */
export function whyNone(evaluations: readonly Evaluation[]): string {
  const refusals = [...new Set(evaluations.flatMap((e) => (e.kind === 'refused' ? [e.reason] : [])))];
  if (refusals.length === 0) return 'there is no other device';
  const shown = refusals.slice(0, 3).join(', ');
  return refusals.length > 3 ? `${shown}, and ${refusals.length - 3} more` : shown;
}
