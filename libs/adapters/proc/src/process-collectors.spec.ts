import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRefusal } from '@godwit/kernel';
import { Tree } from '../spec-kit/tree.js';
import { readKernelUnits } from './kernel-units.js';
import { ProcessCpu } from './process-cpu.js';
import { ProcessDisk } from './process-disk.js';
import { ProcessMemory } from './process-memory.js';
import { ProcessTree } from './process-tree.js';
import { Throttling } from './throttling.js';
import { openDeviceCollectors } from './index.js';

let tree: Tree;
let processes: ProcessTree;
let nowMs: number;
beforeEach(() => {
  tree = new Tree();
  tree.announce();
  processes = new ProcessTree(tree.procRoot);
  nowMs = 0;
});
afterEach(() => {
  processes.close();
  tree[Symbol.dispose]();
});

const context = () => ({ tree: processes, units: readKernelUnits(tree.procRoot) });

describe('CPU of a process tree', () => {
  let cpu: ProcessCpu;
  beforeEach(() => {
    cpu = new ProcessCpu(context());
  });
  afterEach(() => cpu.close());

  /** One round a second later. @returns CPU seconds so far. */
  function round(): number {
    nowMs += 1000;
    cpu.collect(nowMs, {});
    return cpu.cpuSeconds;
  }

  it('counts from when a pid is given, user and system, and gives cores', () => {
    tree.process(10, { user: 500 });
    processes.setPids([10]);
    expect(round()).toBe(0);
    tree.process(10, { user: 520, system: 30 });
    const into: Record<string, number> = {};
    cpu.collect(nowMs + 500, into);
    expect(into['cpu.cores']).toBeCloseTo(1);
  });

  it('is finer than a tick where the threads’ clocks can be read', () => {
    tree.process(10, { user: 100, tasksNs: [900_000_000, 100_000_000] });
    processes.setPids([10]);
    round();
    tree.process(10, { user: 100, tasksNs: [900_003_000, 100_000_500] });
    expect(round()).toBeCloseTo(3.5e-6, 9);
  });

  it('keeps the time of threads that ended', () => {
    tree.process(10, { user: 30, tasksNs: [100_000_000, 200_000_000] });
    processes.setPids([10]);
    round();
    tree.process(10, { user: 40, tasksNs: [100_000_000] });
    tree.remove('proc/10/task/11');
    expect(round()).toBeCloseTo(0.1);
    tree.process(10, { user: 40, tasksNs: [101_000_000] });
    // Ticks lag behind the clocks by up to 20 ms, and what they had made good is not counted again.
    expect(round()).toBeCloseTo(0.101);
  });

  it('goes on counting from the rest when a thread ended below a tick', () => {
    tree.process(10, { tasksNs: [1_000_000, 2_000_000] });
    processes.setPids([10]);
    round();
    tree.process(10, { tasksNs: [1_500_000] });
    tree.remove('proc/10/task/11');
    expect(round()).toBeCloseTo(0.0005, 9);
  });

  it('counts a child, from its birth', () => {
    tree.process(10);
    processes.setPids([10]);
    round();
    tree.process(11, { parent: 10, user: 7 });
    tree.announce();
    expect(round()).toBeCloseTo(0.07);
    tree.process(12, { parent: 11, user: 3 });
    tree.announce();
    expect(round()).toBeCloseTo(0.1);
  });

  it('does not count what a child had used before its root was given', () => {
    tree.process(10, { user: 50 });
    tree.process(11, { parent: 10, user: 70 });
    processes.setPids([10]);
    expect(round()).toBe(0);
  });

  it('keeps a dead process’s time, and counts it once when its parent reaps it', () => {
    tree.process(10);
    tree.process(11, { parent: 10 });
    processes.setPids([10]);
    round();
    tree.process(11, { parent: 10, user: 50 });
    expect(round()).toBeCloseTo(0.5);
    tree.end(11);
    tree.process(10, { reaped: 53 });
    tree.announce();
    // 30 ms that the child used after it was last read come with the parent's count.
    expect(round()).toBeCloseTo(0.53);
    expect(round()).toBeCloseTo(0.53);
  });

  it('counts it once also when the parent was read before it reaped', () => {
    tree.process(10);
    tree.process(11, { parent: 10 });
    processes.setPids([10]);
    round();
    tree.process(11, { parent: 10, user: 50 });
    round();
    tree.end(11);
    tree.announce();
    expect(round()).toBeCloseTo(0.5);
    tree.process(10, { reaped: 50 });
    expect(round()).toBeCloseTo(0.5);
  });

  it('counts children that lived and died unseen', () => {
    tree.process(10);
    processes.setPids([10]);
    round();
    tree.process(10, { reaped: 25 });
    expect(round()).toBeCloseTo(0.25);
  });

  it('goes on with later children when a child’s time was never handed over', () => {
    tree.process(10);
    tree.process(11, { parent: 10 });
    processes.setPids([10]);
    round();
    tree.process(11, { parent: 10, user: 50 });
    round();
    tree.end(11);
    tree.announce();
    round();
    round();
    tree.process(10, { reaped: 10 });
    expect(round()).toBeCloseTo(0.6);
  });

  it('keeps an orphan in scope', () => {
    tree.process(10);
    tree.process(11, { parent: 10 });
    processes.setPids([10]);
    round();
    tree.end(10);
    tree.process(11, { parent: 1, user: 9 });
    tree.announce();
    expect(round()).toBeCloseTo(0.09);
  });

  it('takes a process that got the pid of a dead root for a stranger', () => {
    tree.process(10);
    processes.setPids([10]);
    round();
    tree.end(10);
    tree.announce();
    round();
    tree.process(10, { user: 900 });
    tree.announce();
    round();
    tree.process(10, { user: 990 });
    expect(round()).toBe(0);
  });

  it('keeps what was counted when the pids change, and counts the new from there', () => {
    tree.process(10);
    tree.process(20);
    processes.setPids([10]);
    round();
    tree.process(10, { user: 10 });
    tree.process(20, { user: 10 });
    round();
    processes.setPids([20]);
    expect(round()).toBeCloseTo(0.1);
    tree.process(10, { user: 60 });
    tree.process(20, { user: 30 });
    expect(round()).toBeCloseTo(0.3);
  });

  it('keeps the counter of a process that stays while others come and go', () => {
    tree.process(10);
    tree.process(11, { parent: 10 });
    tree.process(20);
    processes.setPids([10, 20]);
    round();
    tree.process(11, { parent: 10, user: 20 });
    processes.setPids([11, 20]);
    expect(round()).toBeCloseTo(0.2);
    expect(processes.size).toBe(2);
  });

  it('does not look for new processes while none was created', () => {
    tree.process(10);
    processes.setPids([10]);
    round();
    tree.process(11, { parent: 10, user: 5 });
    expect(round()).toBe(0);
    tree.announce();
    expect(round()).toBeCloseTo(0.05);
  });
});

describe('memory of a process tree', () => {
  it('adds resident minus shared and each one’s part of the shared', () => {
    const memory = new ProcessMemory(context());
    for (const [pid, parent] of [[10, 1], [11, 10]] as const) {
      tree.process(pid, { parent });
      tree.put(`proc/${pid}/statm`, '9999 300 200 5 0 50 0\n');
      tree.put(`proc/${pid}/smaps_rollup`, '00400000-7ffe ---p 00000000 00:00 0   [rollup]\nRss:     1200 kB\nPss:      800 kB\nPss_Dirty: 1 kB\n');
    }
    processes.setPids([10]);
    const into: Record<string, number> = {};
    memory.collect(1000, into);
    expect(into['memory.bytes']).toBe(2 * 800 * 1024);
    tree.put('proc/11/statm', '9999 310 200 5 0 50 0\n');
    memory.collect(1100, into);
    expect(into['memory.bytes']).toBe(2 * 800 * 1024 + 10 * 4096);
    memory.close();
  });

  it('leaves the shared out where the part cannot be read', () => {
    const memory = new ProcessMemory(context());
    tree.process(10);
    tree.put('proc/10/statm', '9999 300 200 5 0 50 0\n');
    processes.setPids([10]);
    const into: Record<string, number> = {};
    memory.collect(1000, into);
    expect(into['memory.bytes']).toBe(100 * 4096);
    memory.close();
  });
});

describe('disk of a process tree', () => {
  const io = (read: number, written: number): string => `rchar: 7\nwchar: 8\nsyscr: 1\nsyscw: 1\nread_bytes: ${read}\nwrite_bytes: ${written}\ncancelled_write_bytes: 0\n`;

  it('adds the processes and counts a reaped child once', () => {
    const disk = new ProcessDisk(context());
    tree.process(10);
    tree.process(11, { parent: 10 });
    tree.put('proc/10/io', io(0, 0));
    tree.put('proc/11/io', io(0, 0));
    processes.setPids([10]);
    const collect = (): Record<string, number> => {
      const into: Record<string, number> = {};
      nowMs += 1000;
      disk.collect(nowMs, into);
      return into;
    };
    collect();
    tree.put('proc/11/io', io(4096, 512));
    expect(collect()).toEqual({ 'disk.read_bytes_per_second': 4096, 'disk.write_bytes_per_second': 512 });
    tree.end(11);
    tree.put('proc/10/io', io(5000, 512));
    tree.announce();
    expect(collect()).toEqual({ 'disk.read_bytes_per_second': 904, 'disk.write_bytes_per_second': 0 });
    disk.close();
  });

  it('is absent, not partial, when one process cannot be read', () => {
    const disk = new ProcessDisk(context());
    tree.process(10);
    tree.process(20);
    tree.put('proc/10/io', io(0, 0));
    processes.setPids([10, 20]);
    const into: Record<string, number> = {};
    disk.collect(1000, into);
    disk.collect(2000, into);
    expect(into).toEqual({});
    expect(disk.absences().map(({ reason }) => reason)[0]).toContain('/20/io');
    disk.close();
  });
});

describe('throttling', () => {
  it.each([['v1', 'nr_periods 10\nnr_throttled 2\nthrottled_time 5\n', 'nr_periods 20\nnr_throttled 7\nthrottled_time 9\n'],
    ['v2', 'usage_usec 1\nnr_periods 10\nnr_throttled 2\n', 'usage_usec 9\nnr_periods 20\nnr_throttled 7\n']])('is the share of periods in %s', (_, before, after) => {
    tree.put('group/cpu.stat', before);
    const throttling = new Throttling(`${tree.root}/group`);
    const into: Record<string, number> = {};
    throttling.collect(1000, into);
    expect(into).toEqual({});
    tree.put('group/cpu.stat', after);
    throttling.collect(2000, into);
    expect(into).toEqual({ 'cpu.throttled_ratio': 0.5 });
    throttling.collect(3000, into);
    expect(into).toEqual({ 'cpu.throttled_ratio': 0 });
    throttling.close();
  });

  it('comes with the pressure of the group when the device has one', () => {
    tree.put('group/cpu.stat', 'nr_periods 1\nnr_throttled 0\n');
    tree.put('group/cpu.pressure', 'some avg10=50.00 avg60=0.00 avg300=0.00 total=1\n');
    const device = openDeviceCollectors({ scope: 'processes', procRoot: tree.procRoot, sysRoot: tree.sysRoot, cgroupFolder: `${tree.root}/group` });
    if (isRefusal(device)) throw new Error(device.reason);
    const into: Record<string, number> = {};
    device.collect(1000, into);
    expect(into['cpu.pressure_ratio']).toBe(0.5);
    device.close();
  });
});
