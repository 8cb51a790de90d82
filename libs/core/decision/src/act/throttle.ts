/**
 * Hold back a thread without a goal, so that those with one get their cores. Overload is borne by the threads of a device
 * in proportion to their demand; a throttle takes it from all of them and puts it on one. Hence it gains only where a thread
 * with a goal is spared: lateness counts 1 there and `noGoalWeight` elsewhere.
 */
import type { Board, DeviceState, ThreadState } from '../board.js';
import { capped, coreSeconds, peak, type Demand } from '../demand-path.js';
import { netGainGate, stayCandidate } from '../evaluate.js';
import { aboutGain, cores, coreSecondsText, sentence } from '../reason.js';
import type { ActPlugin, Declined, Proposal } from './act.js';

/** Less than this is not worth a command. */
const LEAST_CORES = 0.01;

const hasGoal = (thread: ThreadState): boolean => thread.view.goals.responseMsP99 !== undefined;
const no = (reason: string, thread?: ThreadState): Declined => ({ kind: 'declined', reason, candidates: [], ...(thread === undefined ? {} : { thread }) });

/** Cores that are missing at the worst step at the trigger's quantile. */
const missingCores = (board: Board, device: DeviceState): number => Math.max(0, -device.load.headroom(board.deviations));

/** What one core-second of overload counts on this device: the mean weight of the demand that shares it. */
function meanWeight(board: Board, device: DeviceState): number {
  let demand = 0;
  let weighted = 0;
  for (const thread of device.threads.values()) {
    const seconds = coreSeconds(thread.demand, board.grid);
    demand += seconds;
    weighted += seconds * (hasGoal(thread) ? 1 : board.limits.noGoalWeight);
  }
  return demand > 0 ? weighted / demand : 0;
}

/** Both kinds of lateness, without and with the throttle. The load is changed and changed back: three changes at once have no other form. */
function weigh(board: Board, device: DeviceState, thread: ThreadState, held: Demand): { net: number; cost: number } {
  const before = device.load.overload() * meanWeight(board, device);
  const free = thread.demand;
  const swap = (from: Demand, to: Demand): void => {
    device.load.apply({ demand: from, sign: -1, fromStep: 0 });
    device.load.apply({ demand: to, sign: 1, fromStep: 0 });
    thread.demand = to;
  };
  swap(free, held);
  const after = device.load.overload() * meanWeight(board, device);
  swap(held, free);
  const cost = (coreSeconds(free, board.grid) - coreSeconds(held, board.grid)) * board.limits.noGoalWeight;
  return { net: before - after - cost, cost };
}

export const throttle: ActPlugin = {
  name: 'throttle', doc: 'Give the thread without a goal that relieves most fewer cores, while threads with goals share its device.',
  propose(board, firing): Proposal | Declined {
    const { device } = firing;
    const { limits, snapshot } = board;
    if (firing.purpose === 'evacuate') return no('a throttle does not help to leave a device');
    if (device.moves > 0) return no(`${device.id} takes part in a move already`);
    if (board.throttles >= limits.throttlesAtOnce) return no(`${board.throttles} of ${limits.throttlesAtOnce} throttles were decided just now`);
    if (![...device.threads.values()].some(hasGoal)) return no(`no thread on ${device.id} has a goal that a throttle would protect`);
    const rested = (t: ThreadState): boolean => t.view.lastThrottledAtMs === undefined || snapshot.nowMs - t.view.lastThrottledAtMs >= limits.throttleCoolDownMs;
    const missing = missingCores(board, device);
    const open = [...device.threads.values()].filter((t) => !hasGoal(t) && !t.touched && rested(t));
    const [largest] = open
      .map((thread) => ({ thread, take: Math.min(missing, peak(thread.demand.median) * limits.throttleShareRatio) }))
      .sort((a, b) => b.take - a.take);
    if (largest === undefined) return no(`no thread without a goal on ${device.id} is free to be throttled`);
    const { thread, take } = largest;
    if (take < LEAST_CORES) return no(`throttling ${thread.id} would set no cores free`, thread);
    const throttleCores = peak(thread.demand.median) - take;
    const { net, cost } = weigh(board, device, thread, capped(thread.demand, throttleCores));
    if (net <= netGainGate(board)) return no(`throttling ${thread.id} to ${cores(throttleCores)} cores would gain ${coreSecondsText(net)} core-seconds, too little`, thread);
    return {
      kind: 'proposal', action: 'throttle', thread, throttleCores, net, cost, effectiveInMs: 0, candidates: [stayCandidate(device, 0)],
      text: sentence(`${thread.id}, which has no goal, is held to ${cores(throttleCores)} cores`, aboutGain({ net, cost })),
      promise: () => board.promiseThrottle(thread, throttleCores),
    };
  },
};
