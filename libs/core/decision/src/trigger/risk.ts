import { seconds } from '../reason.js';
import { outlook, type TriggerPlugin } from './trigger.js';

export const risk: TriggerPlugin = {
  name: 'risk', doc: 'The probability that demand passes the capacity somewhere in the horizon is above the threshold, though no single step shows it.',
  fire(board, device) {
    if (device.stale) return undefined;
    const seen = outlook(board, device);
    if (seen.risk <= board.limits.riskThreshold) return undefined;
    const figures = `risk on ${device.id}: demand passes its capacity within ${seconds(board.snapshot.horizonMs)} with probability ${seen.risk.toFixed(2)} (threshold ${board.limits.riskThreshold})`;
    return { trigger: 'risk', purpose: 'relieve', device, risk: seen.risk, capacityRatio: 1, figures, ...(seen.overloadInMs === undefined ? {} : { overloadInMs: seen.overloadInMs }) };
  },
};
