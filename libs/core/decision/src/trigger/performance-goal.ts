import type { ThreadState } from '../board.js';
import { predictedLatency } from '../latency.js';
import { outlook, type TriggerPlugin } from './trigger.js';

export const performanceGoal: TriggerPlugin = {
  name: 'performance-goal', doc: 'A thread answers later than its goal at the 99 % quantile, or is predicted to on this device.',
  fire(board, device) {
    let worst: { thread: ThreadState; nowMs: number; thenMs: number; goalMs: number } | undefined;
    for (const thread of device.threads.values()) {
      const goalMs = thread.view.goals.responseMsP99;
      const nowMs = thread.view.latencyMsP99;
      if (goalMs === undefined || nowMs === undefined || thread.touched) continue;
      const thenMs = device.stale ? nowMs : predictedLatency(thread, device, device, 0);
      const over = Math.max(nowMs, thenMs) / goalMs;
      if (over > 1 && (worst === undefined || over > Math.max(worst.nowMs, worst.thenMs) / worst.goalMs)) worst = { thread, nowMs, thenMs, goalMs };
    }
    if (worst === undefined) return undefined;
    const { thread, nowMs, thenMs, goalMs } = worst;
    const { overloadInMs, risk } = outlook(board, device);
    const figures = nowMs > goalMs
      ? `performance goal of ${thread.id} on ${device.id}: 99 % of responses within ${Math.round(nowMs)} ms, the goal is ${goalMs} ms`
      : `performance goal of ${thread.id} on ${device.id}: responses are predicted to rise from ${Math.round(nowMs)} to ${Math.round(thenMs)} ms at the 99 % quantile, the goal is ${goalMs} ms`;
    return { trigger: 'performance-goal', purpose: 'relieve', device, thread, risk, capacityRatio: 1, figures, ...(overloadInMs === undefined ? {} : { overloadInMs }) };
  },
};
