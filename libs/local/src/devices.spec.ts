import { describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { claimableCores, DEFAULT_DEVICES, MAX_LOCAL_DEVICES, parseDevices } from './devices.js';

const GIB = 1024 ** 3;
const given = (device: string, more: object = {}) => ({ device, cpuCores: 0.1, memoryBytes: GIB, ...more });
const refusalOf = (devices: unknown, cores = 2) => {
  const answer = parseDevices(devices, cores);
  return isRefusal(answer) ? answer : undefined;
};

describe('local devices', () => {
  it('are three by default, within what the smallest machine can give', () => {
    expect(parseDevices(DEFAULT_DEVICES, 1)).toEqual(DEFAULT_DEVICES);
    expect(DEFAULT_DEVICES.reduce((sum, { cpuCores }) => sum + cpuCores, 0)).toBeCloseTo(1.2);
  });

  it('may claim more on a larger machine, which keeps a part for the services', () => {
    expect([1, 2, 16].map(claimableCores)).toEqual([1.2, 1.2, 15.2]);
    expect(parseDevices([given('a', { cpuCores: 8 })], 16)).toHaveLength(1);
  });

  it.each([
    ['no list', {}, 'devices', 'list'],
    ['an empty list', [], 'devices', 'at least one'],
    ['more than a machine takes', Array.from({ length: MAX_LOCAL_DEVICES + 1 }, (_, i) => given(`d-${i}`, { cpuCores: 0.01 })), 'devices', 'at most 16'],
    ['an id that is none', [given('a'), given('A b')], 'devices.1.device', 'a-z'],
    ['an unknown field', [given('a', { cores: 3 })], 'devices.0.cores', 'cores'],
    ['no capacity', [{ device: 'a', memoryBytes: GIB }], 'devices.0.cpuCores', 'cpuCores'],
    ['one id twice', [given('a'), given('a')], 'devices.1.device', 'twice'],
    ['more cores than there are', [given('a', { cpuCores: 1 }), given('b', { cpuCores: 0.3 })], 'devices', undefined],
  ])('are refused for %s, with the field', (_what, devices, field, word) => {
    const refusal = refusalOf(devices)!;
    if (word === undefined) expect(refusal).toMatchObject({ code: 'no-capacity', reason: 'devices: together they claim 1.30 cores; this machine can give 1.20 and run the services too' });
    else expect(refusal).toMatchObject({ field, reason: expect.stringContaining(word) });
  });
});
