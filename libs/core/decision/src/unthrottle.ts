/** Throttles end when the pressure is gone: the device would carry the thread's full demand at little risk. */
import { decisionId, type IdSource } from '@godwit/kernel';
import type { Board, DeviceState, ThreadState } from './board.js';
import type { Decision } from './decision.js';
import { coreSeconds } from './demand-path.js';
import { stayCandidate } from './evaluate.js';
import { cores, sentence } from './reason.js';

/** @param quiet devices about which nothing fires. Threads with goals first, then the most held back. */
export function unthrottle(board: Board, quiet: readonly DeviceState[], ids: IdSource): Decision[] {
  const { limits, snapshot } = board;
  const withheld = (t: ThreadState): number => coreSeconds(t.full, board.grid) - coreSeconds(t.demand, board.grid);
  const goal = (t: ThreadState): number => (t.view.goals.responseMsP99 === undefined ? 0 : 1);
  const decisions: Decision[] = [];
  for (const device of quiet) {
    const held = [...device.threads.values()].filter((t) => {
      const { throttledToCores, lastThrottledAtMs } = t.view;
      return throttledToCores !== undefined && !t.touched && (lastThrottledAtMs === undefined || snapshot.nowMs - lastThrottledAtMs >= limits.throttleCoolDownMs);
    });
    for (const thread of held.sort((a, b) => goal(b) - goal(a) || withheld(b) - withheld(a))) {
      const decision = lift(board, device, thread, withheld(thread), ids);
      if (decision !== undefined) decisions.push(decision);
    }
  }
  return decisions;
}

/** Lifts it on the board and looks; puts it back when the risk is too high. */
function lift(board: Board, device: DeviceState, thread: ThreadState, withheld: number, ids: IdSource): Decision | undefined {
  const heldTo = thread.view.throttledToCores!;
  const before = device.load.overload();
  board.promiseThrottle(thread, undefined);
  const risk = device.load.risk();
  if (risk > board.limits.unthrottleRisk || device.load.firstStepAbove(board.deviations) >= 0) {
    board.promiseThrottle(thread, heldTo);
    thread.touched = false;
    return undefined;
  }
  const gain = withheld - (device.load.overload() - before);
  return {
    decision: decisionId(ids.next('decision')), thread: thread.id, atMs: board.snapshot.nowMs, action: 'unthrottle', trigger: 'risk', source: device.id,
    reason: sentence(`the pressure on ${device.id} is gone: with the full demand of ${thread.id} its risk is ${risk.toFixed(2)} (at most ${board.limits.unthrottleRisk})`,
      `${thread.id} was held to ${cores(heldTo)} cores`),
    expectedGainCoreSeconds: gain, costCoreSeconds: 0, risk, candidates: [stayCandidate(device, 0)],
  };
}
