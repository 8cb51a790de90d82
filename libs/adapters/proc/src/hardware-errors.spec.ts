import { Tree } from '../spec-kit/tree.js';
import { HardwareErrors } from './hardware-errors.js';
import { Temperature } from './temperature.js';

const collect = (collector: { collect(monotonicMs: number, into: Record<string, number>): void }, monotonicMs: number): Record<string, number> => {
  const into: Record<string, number> = {};
  collector.collect(monotonicMs, into);
  return into;
};

describe('the error counters of a machine', () => {
  it('are rates: memory from EDAC, disks in hexadecimal, interfaces without loopback, throttling of all cores', () => {
    using tree = new Tree();
    const put = (factor: number): void => {
      tree.put('sys/devices/system/edac/mc/mc0/ce_count', `${10 * factor}\n`);
      tree.put('sys/devices/system/edac/mc/mc0/ue_count', `${factor}\n`);
      tree.put('sys/block/sda/device/ioerr_cnt', `0x${(16 * factor).toString(16)}\n`);
      tree.put('sys/class/net/lo/statistics/rx_errors', `${1_000 * factor}\n`);
      tree.put('sys/class/net/eth0/statistics/rx_errors', `${3 * factor}\n`);
      tree.put('sys/class/net/eth0/statistics/tx_errors', `${4 * factor}\n`);
      for (const cpu of [0, 1]) tree.put(`sys/devices/system/cpu/cpu${cpu}/thermal_throttle/core_throttle_count`, `${5 * factor}\n`);
    };
    put(1);
    const errors = new HardwareErrors({ sysRoot: tree.sysRoot });
    expect(collect(errors, 1_000)).toEqual({});
    put(2);
    expect(collect(errors, 3_000)).toEqual({
      'cpu.thermal_throttles_per_second': 5, 'errors.memory_corrected_per_second': 5, 'errors.memory_uncorrected_per_second': 0.5, 'errors.disk_per_second': 8, 'errors.network_per_second': 3.5,
    });
    expect(errors.absences()).toEqual([]);
    put(1);
    expect(collect(errors, 4_000)).toEqual({});
    tree.put('sys/class/net/eth0/statistics/tx_errors', '');
    expect(collect(errors, 5_000)).not.toHaveProperty('errors.network_per_second');
    expect(errors.absences()).toEqual([{ metric: 'errors.network_per_second', reason: expect.stringContaining('tx_errors') }]);
    errors.close();
  });
});

describe('the margin to the critical temperature', () => {
  it('is that of the sensor nearest to its own critical point, which need not be the hottest', () => {
    using tree = new Tree();
    tree.put('sys/class/thermal/thermal_zone0/temp', '60000\n');
    tree.put('sys/class/thermal/thermal_zone0/trip_point_0_type', 'passive\n');
    tree.put('sys/class/thermal/thermal_zone0/trip_point_0_temp', '70000\n');
    tree.put('sys/class/thermal/thermal_zone0/trip_point_1_type', 'critical\n');
    tree.put('sys/class/thermal/thermal_zone0/trip_point_1_temp', '105000\n');
    tree.put('sys/class/hwmon/hwmon0/temp1_input', '50000\n');
    tree.put('sys/class/hwmon/hwmon0/temp1_crit', '80000\n');
    tree.put('sys/class/hwmon/hwmon0/temp2_input', '59000\n');
    tree.put('sys/class/hwmon/hwmon0/temp2_crit', '-273150\n');
    const temperature = new Temperature({ sysRoot: tree.sysRoot });
    expect(collect(temperature, 0)).toEqual({ 'temperature.celsius': 60, 'temperature.margin_celsius': 30 });
    tree.put('sys/class/hwmon/hwmon0/temp1_input', '78500\n');
    expect(collect(temperature, 1_000)).toMatchObject({ 'temperature.margin_celsius': 1.5 });
    temperature.close();
  });

  it('is absent, with the reason, where no sensor tells one', () => {
    using tree = new Tree();
    tree.put('sys/class/thermal/thermal_zone0/temp', '60000\n');
    const temperature = new Temperature({ sysRoot: tree.sysRoot });
    expect(collect(temperature, 0)).toEqual({ 'temperature.celsius': 60 });
    expect(temperature.absences()).toEqual([{ metric: 'temperature.margin_celsius', reason: expect.stringContaining('critical point') }]);
    temperature.close();
  });
});
