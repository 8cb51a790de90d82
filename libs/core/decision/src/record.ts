/** Makes decisions of what was found; the one place that asks for ids. */
import { decisionId, type IdSource } from '@godwit/kernel';
import type { Board, DeviceState, ThreadState } from './board.js';
import type { Proposal } from './act/index.js';
import type { Action, Candidate, Decision, TriggerName } from './decision.js';
import type { Rated } from './evaluate.js';
import { sentence } from './reason.js';
import type { Firing } from './trigger/index.js';

export function recordProposal(board: Board, firing: Firing, proposal: Proposal, because: string | undefined, ids: IdSource): Decision {
  return {
    decision: decisionId(ids.next('decision')), thread: proposal.thread.id, atMs: board.snapshot.nowMs, action: proposal.action, trigger: firing.trigger,
    source: firing.device.id,
    ...(proposal.target === undefined ? {} : { target: proposal.target.id }),
    ...(proposal.throttleCores === undefined ? {} : { throttleCores: proposal.throttleCores }),
    reason: sentence(firing.figures, because, proposal.text),
    expectedGainCoreSeconds: proposal.net, costCoreSeconds: proposal.cost,
    ...(firing.overloadInMs === undefined ? {} : { overloadInMs: firing.overloadInMs }),
    risk: firing.risk,
    ...(proposal.freezeMs === undefined ? {} : { expectedFreezeMs: proposal.freezeMs }),
    candidates: proposal.candidates,
  };
}

/** Nothing is done, and why. */
export function recordKeep(board: Board, firing: Firing, thread: ThreadState, why: string, candidates: readonly Candidate[], ids: IdSource): Decision {
  return {
    decision: decisionId(ids.next('decision')), thread: thread.id, atMs: board.snapshot.nowMs, action: 'keep', trigger: firing.trigger, source: firing.device.id,
    reason: sentence(firing.figures, why), expectedGainCoreSeconds: 0, costCoreSeconds: 0,
    ...(firing.overloadInMs === undefined ? {} : { overloadInMs: firing.overloadInMs }),
    risk: firing.risk, candidates,
  };
}

/** A thread gets a device (place, restore, a manual move), or none (keep). */
export function recordAssignment(
  board: Board, thread: ThreadState, ids: IdSource,
  what: { action: Action; trigger: TriggerName; source?: DeviceState; rated?: Rated; candidates: readonly Candidate[]; reason: string },
): Decision {
  const { rated } = what;
  const risk = rated === undefined ? 0 : rated.request.target.load.risk({ demand: thread.demand, sign: 1, fromStep: rated.request.estimate.fromStep });
  return {
    decision: decisionId(ids.next('decision')), thread: thread.id, atMs: board.snapshot.nowMs, action: what.action, trigger: what.trigger,
    ...(what.source === undefined ? {} : { source: what.source.id }),
    ...(rated === undefined ? {} : { target: rated.request.target.id, expectedFreezeMs: rated.request.estimate.freezeMs }),
    reason: what.reason, expectedGainCoreSeconds: rated?.net ?? 0, costCoreSeconds: rated?.cost ?? 0, risk, candidates: what.candidates,
  };
}

/** A `keep` of this thread is recent enough not to say it again. */
export const keptLately = (board: Board, thread: ThreadState): boolean =>
  thread.view.lastKeptAtMs !== undefined && board.snapshot.nowMs - thread.view.lastKeptAtMs < board.limits.coolDownMs;
