/** To another device: the thread whose move relieves at the least cost, to the target with the best score. */
import type { Board, DeviceState, ThreadState } from '../board.js';
import { coreSeconds } from '../demand-path.js';
import { bestOf, evaluateAll, netGainGate, stayCandidate, whyNone, type Aim, type Evaluation, type Rated } from '../evaluate.js';
import { NEGLIGIBLE_CORES } from '../normal.js';
import { aboutGain, aboutTarget, coreSecondsText, seconds, sentence } from '../reason.js';
import type { Firing } from '../trigger/index.js';
import type { ActPlugin, Declined, Proposal } from './act.js';

/** Rounding of sums; less is no harm. */
const NO_HARM_CORE_SECONDS = 1e-9;

interface Option {
  readonly thread: ThreadState;
  readonly evaluations: readonly Evaluation[];
  readonly best: Rated | undefined;
}

/** With the thread gone, is the source out of danger from then on? */
function relieves(board: Board, source: DeviceState, { request: { thread, estimate } }: Rated): boolean {
  const goes = { demand: thread.demand, sign: -1, fromStep: estimate.fromStep } as const;
  return source.load.risk(goes, estimate.fromStep) <= board.limits.riskThreshold && source.load.headroom(board.deviations, goes, estimate.fromStep) >= -NEGLIGIBLE_CORES;
}

/** Threads with goals leave first, then the largest. */
const guarded = (thread: ThreadState): number => (thread.view.goals.responseMsP99 === undefined ? 0 : 1);

function choose(board: Board, firing: Firing, options: readonly Option[]): { thread: ThreadState; evaluations: readonly Evaluation[]; best: Rated } | undefined {
  const open = options.flatMap(({ thread, evaluations, best }) => (best === undefined ? [] : [{ thread, evaluations, best }]));
  if (firing.purpose === 'evacuate') {
    const size = (t: ThreadState): number => coreSeconds(t.full, board.grid);
    return open.sort((a, b) => guarded(b.thread) - guarded(a.thread) || size(b.thread) - size(a.thread))[0];
  }
  const enough = open.filter((o) => relieves(board, firing.device, o.best));
  return enough.length > 0
    ? enough.sort((a, b) => a.best.cost - b.best.cost || b.best.net - a.best.net)[0]
    : open.sort((a, b) => b.best.net - a.best.net || a.best.cost - b.best.cost)[0];
}

/** The budget as far as no target can change it: asked once, before hundreds of targets are looked at. */
function spent(board: Board, { id, moves }: DeviceState): string | undefined {
  const { movesAtOnce, movesPerDevice } = board.limits;
  if (board.moves >= movesAtOnce) return `${board.moves} of ${movesAtOnce} moves are under way`;
  return moves >= movesPerDevice ? `${id} takes part in ${moves} of ${movesPerDevice} moves already` : undefined;
}

function decline(board: Board, firing: Firing, options: readonly Option[], busy?: string): Declined {
  const nearest = options.reduce<Option | undefined>((most, o) => (most === undefined || promise(o) > promise(most) ? o : most), undefined);
  if (nearest === undefined) return { kind: 'declined', reason: 'no thread on it is free to move', candidates: [] };
  const { thread, evaluations } = nearest;
  if (busy !== undefined) return { kind: 'declined', reason: busy, thread, candidates: [] };
  const rated = bestOf(evaluations, () => true);
  const reason = rated === undefined ? `no device can take ${thread.id}: ${whyNone(evaluations)}` : whyNotWorthIt(board, firing, rated);
  return { kind: 'declined', reason, thread, candidates: evaluations.map((e) => e.candidate) };
}
function whyNotWorthIt(board: Board, firing: Firing, rated: Rated): string {
  const { request: { thread, target }, net, simulated } = rated;
  const would = `moving ${thread.id} to ${target.id} would ${lateness(firing, rated)}`;
  if (net <= netGainGate(board)) return `${would}gain ${coreSecondsText(net)} core-seconds after its cost, less than ${coreSecondsText(netGainGate(board))}`;
  return `${would}overload ${target.id} by ${coreSecondsText(simulated.overloadAfter - simulated.overloadBefore)} core-seconds more than it spares ${firing.device.id}`;
}

function lateness({ overloadInMs }: Firing, { request: { estimate } }: Rated): string {
  if (overloadInMs === undefined || estimate.totalMs <= overloadInMs) return '';
  return `take ${seconds(estimate.totalMs)}, end after the overload begins${overloadInMs === 0 ? '' : ` in ${seconds(overloadInMs)}`}, and `;
}
/** How near a thread came: those with a rated target first, by net gain; else by demand. */
const promise = ({ thread, evaluations }: Option): number => {
  const best = Math.max(-Infinity, ...evaluations.map((e) => (e.kind === 'rated' ? e.net : -Infinity)));
  return best === -Infinity ? -1e12 + (thread.demand.median[0] ?? 0) : best;
};

export const move: ActPlugin = {
  name: 'move', doc: 'Move one thread to another device.',
  propose(board, firing): Proposal | Declined {
    const source = firing.device;
    const gate = firing.purpose === 'evacuate' ? -Infinity : netGainGate(board);
    const aim: Aim = { purpose: firing.purpose, capacityRatio: firing.capacityRatio, forGoal: firing.trigger === 'performance-goal' };
    const threads = (firing.thread === undefined ? [...source.threads.values()] : [firing.thread]).filter((t) => !t.touched);
    const busy = spent(board, source);
    if (busy !== undefined) return decline(board, firing, threads.map((thread) => ({ thread, evaluations: [], best: undefined })), busy);
    const options = threads.map((thread): Option => {
      const evaluations = evaluateAll(board, thread, source, aim);
      const harmless = (r: Rated): boolean => gate === -Infinity || r.simulated.overloadAfter <= r.simulated.overloadBefore + NO_HARM_CORE_SECONDS;
      return { thread, evaluations, best: bestOf(evaluations, (r) => r.net > gate && harmless(r)) };
    });
    const chosen = choose(board, firing, options);
    if (chosen === undefined) return decline(board, firing, options);
    const { thread, evaluations, best } = chosen;
    const { target, estimate } = best.request;
    return {
      kind: 'proposal', action: 'migrate', thread, target, net: best.net, cost: best.cost,
      effectiveInMs: estimate.totalMs, freezeMs: estimate.freezeMs,
      candidates: [stayCandidate(source, target.load.overload()), ...evaluations.map((e) => e.candidate)],
      text: sentence(`${thread.id} moves within ${seconds(estimate.totalMs)}: ${aboutTarget(board, best.request)}`, aboutGain(best)),
      promise: () => board.promiseMove(thread, target, estimate.fromStep),
    };
  },
};
