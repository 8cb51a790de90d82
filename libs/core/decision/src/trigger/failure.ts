import type { TriggerPlugin } from './trigger.js';

export const failure: TriggerPlugin = {
  name: 'failure', doc: 'The device is likely to fail within the horizon.',
  fire(board, device) {
    const { failureProbability } = device.view;
    if (device.threads.size === 0 || failureProbability <= board.limits.failureThreshold) return undefined;
    const figures = `${device.id} is likely to fail (probability ${failureProbability.toFixed(2)} within ${Math.round(board.snapshot.horizonMs / 1_000)} s)`;
    return { trigger: 'failure', purpose: 'evacuate', device, risk: failureProbability, capacityRatio: 1, figures };
  },
};
