/** Where each thread of a dead device goes. Running late beats not running: where capacity is short, the least bad device takes it. */
import { refuse, type DeviceId, type IdSource, type Refusal } from '@godwit/kernel';
import { Board, type ThreadState } from './board.js';
import type { Decision } from './decision.js';
import { coreSeconds } from './demand-path.js';
import { bestOf, evaluateAll, whyNone, type Aim, type Evaluation, type Rated } from './evaluate.js';
import type { PlanLimits } from './limits.js';
import { aboutTarget, coreSecondsText, sentence } from './reason.js';
import { recordAssignment } from './record.js';
import type { ClusterSnapshot } from './snapshot.js';

const STRICT: Aim = { purpose: 'restore', capacityRatio: 1, forGoal: false };
/** Memory, capability and hints stay: without them the thread could not run, or may not. */
const BEST_EFFORT: Aim = { ...STRICT, waived: ['predicted-capacity', 'failing'] };

/** One decision for each thread that the dead device owned: `restore`, or `keep` where no device may run it. */
export function restorePlan(snapshot: ClusterSnapshot, deadDevice: DeviceId, limits: PlanLimits, ids: IdSource): Decision[] | Refusal {
  if (!snapshot.devices.some((d) => d.spec.device === deadDevice)) return refuse('not-found', `device ${deadDevice} is not registered`, 'device');
  const devices = snapshot.devices.map((d) => (d.spec.device === deadDevice ? { ...d, alive: false } : d));
  const board = new Board({ ...snapshot, devices }, limits);
  const source = board.device(deadDevice);
  const goal = (t: ThreadState): number => (t.view.goals.responseMsP99 === undefined ? 0 : 1);
  const size = (t: ThreadState): number => coreSeconds(t.full, board.grid);
  const orphans = [...source.threads.values()].sort((a, b) => goal(b) - goal(a) || size(b) - size(a));
  return orphans.map((thread) => {
    thread.device = undefined;
    const { best, evaluations, short } = choose(board, thread);
    const candidates = evaluations.map((e) => e.candidate);
    const lost = `${deadDevice} does not answer`;
    if (best === undefined) {
      return recordAssignment(board, thread, ids, { action: 'keep', trigger: 'failure', source, candidates, reason: sentence(lost, `${thread.id} waits: ${whyNone(evaluations)}`) });
    }
    const shortage = short ? `capacity is short: ${coreSecondsText(best.simulated.after - best.simulated.before)} core-seconds of overload come with ${thread.id}` : undefined;
    const reason = sentence(lost, aboutTarget(board, best.request), shortage);
    const decision = recordAssignment(board, thread, ids, { action: 'restore', trigger: 'failure', source, rated: best, candidates, reason });
    board.promiseMove(thread, best.request.target, 0);
    return decision;
  });
}

function choose(board: Board, thread: ThreadState): { best: Rated | undefined; evaluations: Evaluation[]; short: boolean } {
  const elsewhere = (aim: Aim): Evaluation[] => evaluateAll(board, thread, undefined, aim);
  const strict = elsewhere(STRICT);
  const fits = bestOf(strict, () => true);
  if (fits !== undefined) return { best: fits, evaluations: strict, short: false };
  const evaluations = elsewhere(BEST_EFFORT);
  const worsens = (r: Rated): number => r.simulated.after - r.simulated.before;
  const least = Math.min(Infinity, ...evaluations.map((e) => (e.kind === 'rated' ? worsens(e) : Infinity)));
  return { best: bestOf(evaluations, (r) => worsens(r) <= least), evaluations, short: true };
}
