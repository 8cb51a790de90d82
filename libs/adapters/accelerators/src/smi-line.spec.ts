import fc from 'fast-check';
import { GPU_FIELDS, parseGpuLine, refusedField } from './smi-line.js';

const MIB = 1_048_576;

describe('a line of nvidia-smi', () => {
  it.each([
    ['an A100 at work', '0, 97, 30211, 40960, 249.31, 400.00, 61, 0x0000000000000000, 0', { index: 0, uncorrectedErrors: 0, values: { utilisation_ratio: 0.97, memory_bytes: 30_211 * MIB, memory_capacity_bytes: 40_960 * MIB, power_watts: 249.31, power_limit_watts: 400, temperature_celsius: 61, thermal_throttled_ratio: 0 } }],
    ['a card without ECC that is idle', '1, 0, 5, 8192, 9.85, 170.00, 34, 0x0000000000000001, [N/A]', { index: 1, uncorrectedErrors: undefined, values: { utilisation_ratio: 0, memory_bytes: 5 * MIB, memory_capacity_bytes: 8_192 * MIB, power_watts: 9.85, power_limit_watts: 170, temperature_celsius: 34, thermal_throttled_ratio: 0 } }],
    ['one that is slowed down for its heat', '2, 100, 1, 2, 300, 300, 92, 0x0000000000000060, 4', { index: 2, uncorrectedErrors: 4, values: { utilisation_ratio: 1, memory_bytes: MIB, memory_capacity_bytes: 2 * MIB, power_watts: 300, power_limit_watts: 300, temperature_celsius: 92, thermal_throttled_ratio: 1 } }],
    ['a laptop that tells little', '0, [Not Supported], 312, 2002, [Not Supported], [Not Supported], 47, [Not Supported], [Not Supported]', { index: 0, uncorrectedErrors: undefined, values: { memory_bytes: 312 * MIB, memory_capacity_bytes: 2_002 * MIB, temperature_celsius: 47 } }],
    ['a GPU with errors', '3, [Unknown Error], 0, 0, ERR!, [GPU requires reset], 0, [Unknown Error], N/A', { index: 3, uncorrectedErrors: undefined, values: { memory_bytes: 0, memory_capacity_bytes: 0, temperature_celsius: 0 } }],
    ['one with units in spite of all', '0, 12 %, 100 MiB, 200 MiB, 20.5 W, 70 W, 40, 0x4, 0', { index: 0, uncorrectedErrors: 0, values: { utilisation_ratio: 0.12, memory_bytes: 100 * MIB, memory_capacity_bytes: 200 * MIB, power_watts: 20.5, power_limit_watts: 70, temperature_celsius: 40, thermal_throttled_ratio: 0 } }],
  ])('of %s', (_, line, expected) => {
    const parsed = parseGpuLine(line, GPU_FIELDS)!;
    expect(parsed).toEqual({ ...expected, values: Object.fromEntries(Object.entries(expected.values).map(([metric, value]) => [metric, expect.closeTo(value, 9)])) });
  });

  it.each([
    'NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.',
    'No devices were found', 'Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU',
    '0, 97, 302', ', , , , , , , , ', '-1, 0, 0, 0, 0, 0, 0, 0x0, 0', '999, 0, 0, 0, 0, 0, 0, 0x0, 0', '',
  ])('that holds no values: %j', (line) => expect(parseGpuLine(line, GPU_FIELDS)).toBeUndefined());

  it('is read by the fields that were asked for', () => {
    expect(parseGpuLine('0, 50', ['index', 'temperature.gpu'])).toEqual({ index: 0, values: { temperature_celsius: 50 }, uncorrectedErrors: undefined });
    expect(refusedField('Field "ecc.errors.uncorrected.volatile.total" is not a valid field to query.')).toBe('ecc.errors.uncorrected.volatile.total');
    expect(refusedField('0, 50')).toBeUndefined();
  });

  it('may be anything: values are finite and not negative', () => {
    const cell = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('0', '1e99', '99999999999999999999', '0xffffffffffffffff', '[N/A]', '-5', '3.5'));
    fc.assert(fc.property(fc.array(cell, { minLength: 7, maxLength: 10 }), (cells) => {
      const parsed = parseGpuLine(['1', ...cells].join(', '), GPU_FIELDS);
      for (const value of Object.values(parsed?.values ?? {})) expect(Number.isFinite(value) && value >= 0).toBe(true);
    }));
  });
});
