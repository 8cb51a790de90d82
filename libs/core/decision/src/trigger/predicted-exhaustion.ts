import { cores, quantileName, seconds } from '../reason.js';
import { outlook, type TriggerPlugin } from './trigger.js';

export const predictedExhaustion: TriggerPlugin = {
  name: 'predicted-exhaustion', doc: 'At the chosen quantile, demand passes the capacity within the horizon.',
  fire(board, device) {
    if (device.stale) return undefined;
    const { overloadInMs, step, risk } = outlook(board, device);
    if (overloadInMs === undefined) return undefined;
    const when = overloadInMs === 0 ? 'now' : `in ${seconds(overloadInMs)}`;
    const figures = `predicted exhaustion on ${device.id}: demand ${quantileName(board.limits.triggerQuantile)} passes ${cores(device.load.capacity[step]!)} cores ${when} (risk ${risk.toFixed(2)})`;
    return { trigger: 'predicted-exhaustion', purpose: 'relieve', device, overloadInMs, risk, capacityRatio: 1, figures };
  },
};
