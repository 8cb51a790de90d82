/** Threads without an owner get one. The largest first: the small ones fit into what is left. */
import type { IdSource } from '@godwit/kernel';
import { Board, type ThreadState } from './board.js';
import type { Decision } from './decision.js';
import { coreSeconds } from './demand-path.js';
import { bestOf, evaluateAll, whyNone, type Aim } from './evaluate.js';
import type { PlanLimits } from './limits.js';
import { aboutTarget, cores, sentence } from './reason.js';
import { keptLately, recordAssignment } from './record.js';
import type { ClusterSnapshot } from './snapshot.js';

const AIM: Aim = { purpose: 'place', capacityRatio: 1, forGoal: false };

export const place = (snapshot: ClusterSnapshot, limits: PlanLimits, ids: IdSource): Decision[] => placeOn(new Board(snapshot, limits), ids);

/** The same on a board that other parts of the plan go on with. */
export function placeOn(board: Board, ids: IdSource): Decision[] {
  const size = (t: ThreadState): number => coreSeconds(t.full, board.grid);
  const waiting = [...board.threads.values()].filter((t) => t.device === undefined && !t.touched).sort((a, b) => size(b) - size(a));
  return waiting.flatMap((thread): Decision[] => {
    const evaluations = evaluateAll(board, thread, undefined, AIM);
    const best = bestOf(evaluations, () => true);
    const candidates = evaluations.map((e) => e.candidate);
    const needs = `${thread.id} has no owner and needs about ${cores(thread.full.median[0] ?? 0)} cores`;
    if (best === undefined) {
      if (keptLately(board, thread)) return [];
      return [recordAssignment(board, thread, ids, { action: 'keep', trigger: 'placement', candidates, reason: sentence(needs, `it waits: ${whyNone(evaluations)}`) })];
    }
    const decision = recordAssignment(board, thread, ids, { action: 'place', trigger: 'placement', rated: best, candidates, reason: sentence(needs, aboutTarget(board, best.request)) });
    board.promiseMove(thread, best.request.target, 0);
    return [decision];
  });
}
