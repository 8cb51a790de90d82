import { seconds } from '../reason.js';
import { outlook, type TriggerPlugin } from './trigger.js';

export const drain: TriggerPlugin = {
  name: 'drain', doc: 'The device is being drained, or its maintenance begins within the horizon.',
  fire(board, device) {
    if (device.threads.size === 0) return undefined;
    const inMs = board.maintenanceInMs(device);
    if (!device.view.draining && inMs === undefined) return undefined;
    const { overloadInMs, risk } = outlook(board, device);
    const figures = device.view.draining ? `${device.id} is being drained` : `maintenance of ${device.id} begins in ${seconds(inMs ?? 0)}`;
    return { trigger: 'drain', purpose: 'evacuate', device, risk, capacityRatio: 1, figures, ...(overloadInMs === undefined ? {} : { overloadInMs }) };
  },
};
