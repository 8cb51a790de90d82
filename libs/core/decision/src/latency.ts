/**
 * Response time that a thread may expect on a device. A queue with one server answers in proportion to 1 / (1 - u) at
 * utilisation u, so the latency of today carries over by the ratio of what is free; past capacity the backlog that
 * builds up over the horizon is added. A rule of thumb that needs no history there; a learned one may replace it.
 */
import type { DurationMs } from '@godwit/kernel';
import type { DeviceState, ThreadState } from './board.js';

/** Utilisation above which the rule would run to infinity; the backlog takes over. */
const MOST_UTILISATION = 0.98;

const freeAt = (utilisation: number): number => 1 - Math.min(MOST_UTILISATION, Math.max(0, utilisation));
const inUse = (device: DeviceState): number => (device.view.enforcedCores > 0 ? device.view.usedCores / device.view.enforcedCores : 1);

/** Highest response time of the horizon, ms, with the thread on `device` from `fromStep` on; today's is measured on `home`. 0 when it was never measured. */
export function predictedLatency(thread: ThreadState, home: DeviceState, device: DeviceState, fromStep: number): DurationMs {
  const now = thread.view.latencyMsP99;
  if (now === undefined) return 0;
  const { load } = device;
  const change = device === home ? undefined : ({ demand: thread.demand, sign: 1, fromStep } as const);
  const then = now * (freeAt(inUse(home)) / freeAt(load.peakRatio(change, fromStep)));
  const spanMs = (load.grid.steps - fromStep) * load.grid.stepMs;
  let total = 0;
  for (let k = fromStep; k < load.grid.steps; k++) total += load.medianAt(k, change);
  const served = (total * load.grid.stepMs) / 1_000;
  // The backlog at the end is waited for by whoever comes last, at the pace of the device.
  const queueMs = served > 0 ? (load.overload(change) / served) * spanMs : 0;
  return then + queueMs;
}
