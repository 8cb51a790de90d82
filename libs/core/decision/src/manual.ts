/** A move that a person asks for: the same filters, the same figures. */
import { refuse, type DeviceId, type IdSource, type Refusal, type ThreadId } from '@godwit/kernel';
import { Board } from './board.js';
import type { Decision } from './decision.js';
import { evaluate, stayCandidate } from './evaluate.js';
import type { PlanLimits } from './limits.js';
import { aboutGain, aboutTarget, sentence } from './reason.js';
import { recordAssignment } from './record.js';
import type { ClusterSnapshot } from './snapshot.js';

/** These restrain the planner, so that it does not move things about; a person who asks twice means it. */
const PACE = ['cool-down', 'no-return', 'budget'] as const;
/** With `force` the person also takes the risk of a target that is too small; a solver fills any. The reason tells the risk. */
const FORCED = [...PACE, 'predicted-capacity'] as const;

/** The decision that the move would be, or why it may not be. It needs no gain: the reason tells what is expected. */
export function explainManual(snapshot: ClusterSnapshot, move: { readonly thread: ThreadId; readonly target: DeviceId; readonly force?: boolean }, limits: PlanLimits, ids: IdSource): Refusal | Decision {
  const { thread, target } = move;
  const board = new Board(snapshot, limits);
  const state = board.threads.get(thread);
  if (state === undefined) return refuse('not-found', `thread ${thread} is not registered`, 'thread');
  const goal = board.devices.get(target);
  if (goal === undefined) return refuse('not-found', `device ${target} is not registered`, 'target');
  if (state.view.moving) return refuse('conflict', `${thread} is being moved already`, 'thread');
  if (state.device === target) return refuse('refused-by-policy', `${thread} runs on ${target} already`, 'target');
  const source = state.device === undefined ? undefined : board.devices.get(state.device);
  const result = evaluate(board, state, source, goal, { purpose: source === undefined ? 'place' : 'manual', capacityRatio: 1, forGoal: false, waived: move.force === true ? FORCED : PACE });
  if (result.kind === 'refused') return refuse(result.by.code, result.reason, result.by.name === 'pinned' ? 'thread' : 'target');
  const candidates = source === undefined ? [result.candidate] : [stayCandidate(source, goal.load.overload()), result.candidate];
  const reason = sentence(`asked for by a person: ${thread} to ${target}`, aboutTarget(board, result.request), aboutGain(result));
  return recordAssignment(board, state, ids, { action: source === undefined ? 'place' : 'migrate', trigger: 'manual', rated: result, candidates, reason, ...(source === undefined ? {} : { source }) });
}
