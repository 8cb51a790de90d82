import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { Tree } from '../spec-kit/tree.js';
import { openDeviceCollectors, type DeviceCollectors } from './index.js';

let tree: Tree;
let device: DeviceCollectors | undefined;
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => {
  device?.close();
  device = undefined;
  tree[Symbol.dispose]();
});

/** Collects at a number of seconds; opens at the first call, so that the tree can be filled before. */
function at(seconds: number): Record<string, number> {
  if (device === undefined) {
    const opened = openDeviceCollectors({ scope: 'host', procRoot: tree.procRoot, sysRoot: tree.sysRoot });
    if (isRefusal(opened)) throw new Error(opened.reason);
    device = opened;
  }
  const into: Record<string, number> = {};
  device.collect(seconds * 1000, into);
  return into;
}

const reason = (metric: string): string | undefined => device?.absences().find((absence) => absence.metric === metric)?.reason;

describe('host CPU', () => {
  const stat = (first: string, second: string): string => `cpu  ${first}\ncpu0 ${first}\ncpu1 ${second}\nintr 5 0\n`;

  it('counts all but idle, iowait, steal and guest', () => {
    tree.put('proc/stat', stat('0 0 0 0 0 0 0 0 0 0', '0 0 0 0 0 0 0 0 0 0'));
    expect(at(0)).toEqual({ 'cpu.capacity_cores': 2 });
    tree.put('proc/stat', stat('10 5 5 100 100 2 3 77 10 0', '1 0 0 9 0 0 0 0 0 0'));
    const reading = at(0.5);
    expect(reading['cpu.cores']).toBeCloseTo(0.5);
    expect(reading['cpu.cores.0']).toBeCloseTo(0.5);
    expect(reading['cpu.cores.1']).toBeCloseTo(0.02);
  });

  it('gives no rate when a counter fell back, and goes on from there', () => {
    tree.put('proc/stat', stat('500 0 0 0 0 0 0 0 0 0', '0 0 0 0 0 0 0 0 0 0'));
    at(0);
    tree.put('proc/stat', stat('20 0 0 0 0 0 0 0 0 0', '5 0 0 0 0 0 0 0 0 0'));
    expect(at(1)['cpu.cores']).toBeUndefined();
    tree.put('proc/stat', stat('70 0 0 0 0 0 0 0 0 0', '5 0 0 0 0 0 0 0 0 0'));
    expect(at(2)['cpu.cores']).toBeCloseTo(0.5);
  });

  it('follows a CPU that goes offline', () => {
    tree.put('proc/stat', stat('0 0 0 0 0 0 0 0 0 0', '0 0 0 0 0 0 0 0 0 0'));
    at(0);
    tree.put('proc/stat', 'cpu  1 0 0 0 0 0 0 0 0 0\ncpu1 1 0 0 0 0 0 0 0 0 0\nintr 5\n');
    const reading = at(1);
    expect(reading['cpu.capacity_cores']).toBe(1);
    expect(reading['cpu.cores.0']).toBeUndefined();
  });
});

describe('host disk', () => {
  const row = (name: string, read: number, written: number): string => `   8       0 ${name} 1 2 ${read} 4 5 6 ${written} 8 9 10 11\n`;

  it('adds whole disks only: no partitions, no loops, nothing that lies on another', () => {
    for (const name of ['sda', 'loop0', 'zram0']) tree.put(`sys/block/${name}/size`, '1\n');
    tree.put('sys/block/dm-0/slaves/sda1/size', '1\n');
    const names = ['sda', 'sda1', 'loop0', 'zram0', 'dm-0'];
    tree.put('proc/diskstats', names.map((name) => row(name, 0, 0)).join(''));
    at(0);
    tree.put('proc/diskstats', names.map((name) => row(name, 100, 50)).join(''));
    expect(at(1)).toMatchObject({ 'disk.read_bytes_per_second': 51_200, 'disk.write_bytes_per_second': 25_600 });
  });

  it('does not take the history of a disk that was plugged in for traffic', () => {
    for (const name of ['sda', 'sdb']) tree.put(`sys/block/${name}/size`, '1\n');
    tree.put('proc/diskstats', row('sda', 0, 0));
    at(0);
    tree.put('proc/diskstats', row('sdb', 900, 900) + row('sda', 2, 0));
    expect(at(1)['disk.read_bytes_per_second']).toBe(1024);
    tree.put('proc/diskstats', row('sdb', 902, 900) + row('sda', 2, 0));
    expect(at(2)['disk.read_bytes_per_second']).toBe(1024);
  });
});

describe('network', () => {
  const dev = (...rows: [string, number, number][]): string =>
    `Inter-|   Receive\n face |bytes\n${rows.map(([name, received, sent]) => `${name.padStart(6)}: ${received} 1 0 0 0 0 0 0 ${sent} 1 0 0 0 0 0 0\n`).join('')}`;

  it('adds all interfaces but loopback', () => {
    tree.put('proc/net/dev', dev(['lo', 0, 0], ['eth0', 100, 200], ['wlan0', 5, 5]));
    at(0);
    tree.put('proc/net/dev', dev(['lo', 999, 999], ['eth0', 1100, 2200], ['wlan0', 6, 5]));
    expect(at(2)).toMatchObject({ 'network.receive_bytes_per_second': 500.5, 'network.transmit_bytes_per_second': 1000 });
  });

  it('takes an interface that was made anew as new, wherever it stands', () => {
    tree.put('proc/net/dev', dev(['eth0', 5000, 0], ['lo', 0, 0]));
    at(0);
    tree.put('proc/net/dev', dev(['lo', 0, 0], ['veth1', 70_000, 0], ['eth0', 10, 0]));
    expect(at(1)['network.receive_bytes_per_second']).toBe(0);
    tree.put('proc/net/dev', dev(['lo', 0, 0], ['veth1', 70_100, 0], ['eth0', 30, 0]));
    expect(at(2)['network.receive_bytes_per_second']).toBe(120);
  });
});

describe('pressure', () => {
  it('gives the ten-second average as a share of one', () => {
    tree.put('proc/pressure/cpu', 'some avg10=12.50 avg60=1.00 avg300=0.00 total=5\n');
    expect(at(0)).toEqual({ 'cpu.pressure_ratio': 0.125 });
    expect(reason('io.pressure_ratio')).toContain('no such file');
  });

  it('says so when the file holds something else', () => {
    tree.put('proc/pressure/cpu', 'full avg10=1.0\n');
    expect(at(0)).toEqual({});
    expect(reason('cpu.pressure_ratio')).toContain('some avg10');
  });
});

describe('temperature', () => {
  it('is that of the hottest sensor that works', () => {
    tree.put('sys/class/thermal/thermal_zone0/temp', '41500\n');
    tree.put('sys/class/thermal/cooling_device0/temp', '99000\n');
    tree.put('sys/class/hwmon/hwmon0/temp1_input', '63250\n');
    tree.put('sys/class/hwmon/hwmon0/temp2_input', '-273150\n');
    expect(at(0)['temperature.celsius']).toBe(63.25);
  });

  it('can be below zero', () => {
    tree.put('sys/class/thermal/thermal_zone0/temp', '-5500\n');
    expect(at(0)['temperature.celsius']).toBe(-5.5);
  });

  it('is absent when all sensors fail', () => {
    tree.put('sys/class/thermal/thermal_zone0/temp', '-274000\n');
    expect(at(0)).toEqual({});
    expect(reason('temperature.celsius')).toContain('is no temperature');
  });
});

describe('power', () => {
  const zone = (number: number, name: string, microjoules: number): void => {
    tree.put(`sys/class/powercap/intel-rapl:${number}/name`, `${name}\n`);
    tree.put(`sys/class/powercap/intel-rapl:${number}/max_energy_range_uj`, '10000000\n');
    tree.put(`sys/class/powercap/intel-rapl:${number}/energy_uj`, `${microjoules}\n`);
  };

  it('adds the packages, not the platform nor the parts of a package', () => {
    for (const [number, name] of [[0, 'package-0'], [1, 'package-1'], [2, 'psys']] as const) zone(number, name, 0);
    tree.put('sys/class/powercap/intel-rapl:0:0/name', 'core\n');
    at(0);
    for (const [number, name] of [[0, 'package-0'], [1, 'package-1'], [2, 'psys']] as const) zone(number, name, 3_000_000);
    expect(at(0.5)['power.watts']).toBeCloseTo(12);
  });

  it('bears the wrap of the counter', () => {
    zone(0, 'package-0', 9_500_000);
    at(0);
    zone(0, 'package-0', 1_500_000);
    expect(at(1)['power.watts']).toBeCloseTo(2);
  });

  it('gives nothing rather than a power that no package has', () => {
    zone(0, 'package-0', 9_000_000);
    at(0);
    zone(0, 'package-0', 0);
    expect(at(0.0001)['power.watts']).toBeUndefined();
  });
});
