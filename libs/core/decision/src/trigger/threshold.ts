import { cores } from '../reason.js';
import { outlook, type TriggerPlugin } from './trigger.js';

export const threshold: TriggerPlugin = {
  name: 'threshold', doc: 'CPU in use now is above a share of the capacity. Reactive: needs no forecast.',
  fire(board, device) {
    const { usedCores, enforcedCores } = device.view;
    const ratio = board.limits.usedRatioThreshold;
    if (!(usedCores > ratio * enforcedCores)) return undefined;
    const { overloadInMs, risk } = outlook(board, device);
    const figures = `threshold on ${device.id}: ${cores(usedCores)} of ${cores(enforcedCores)} cores are in use (more than ${Math.round(ratio * 100)} %)`;
    return { trigger: 'threshold', purpose: 'relieve', device, risk, capacityRatio: ratio, figures, ...(overloadInMs === undefined ? {} : { overloadInMs }) };
  },
};
