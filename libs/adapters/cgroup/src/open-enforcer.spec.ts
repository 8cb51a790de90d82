import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRefusal, OperationError, type Refusal } from '@godwit/kernel';
import { FakeKernel } from '../spec-kit/fake-kernel.js';
import { openEnforcer, type CapacityEnforcer } from './index.js';

let kernel: FakeKernel;
beforeEach(() => {
  kernel = new FakeKernel();
});
afterEach(() => kernel[Symbol.dispose]());

const open = (options: { name?: string; cores?: number; mayMoveOwnGroup?: boolean } = {}): CapacityEnforcer | Refusal =>
  openEnforcer({ name: 'a', cores: 0.2, root: kernel.root, ...options }, kernel);

function opened(options: Parameters<typeof open>[0] = {}): CapacityEnforcer {
  const enforcer = open(options);
  if (isRefusal(enforcer)) throw new Error(enforcer.reason);
  return enforcer;
}

function refused(result: unknown): Refusal {
  if (!isRefusal(result)) throw new Error('expected a refusal');
  return result;
}

const groupIn = (own: string, name = 'a'): string => `${own}/godwit-${name}-${process.pid}`;
const CHILD = 4242;

describe('version 1', () => {
  it('makes a group below our own with a short period', () => {
    const own = kernel.mountV1('cpu', '/agents/one');
    const enforcer = opened();
    expect(enforcer.kind).toBe('cgroup-v1');
    expect(enforcer.folder).toBe(groupIn(own));
    expect(kernel.value(`${groupIn(own)}/cpu.cfs_period_us`)).toBe('10000');
    expect(kernel.value(`${groupIn(own)}/cpu.cfs_quota_us`)).toBe('2000');
  });

  it.each([[2, 10_000, 20_000], [0.1, 20_000, 2_000], [0.01, 100_000, 1_000], [0.001, 1_000_000, 1_000]])(
    'gives %d cores a period of %d µs and a quota of %d µs', (cores, periodUs, quotaUs) => {
      const own = kernel.mountV1('cpu');
      expect(opened().setCores(cores)).toBeUndefined();
      expect(kernel.value(`${groupIn(own)}/cpu.cfs_period_us`)).toBe(String(periodUs));
      expect(kernel.value(`${groupIn(own)}/cpu.cfs_quota_us`)).toBe(String(quotaUs));
    });

  it('puts a process in, and back to the parent for a freeze', () => {
    const own = kernel.mountV1('cpu');
    const enforcer = opened();
    kernel.startIn(own, CHILD);
    enforcer.admit(CHILD);
    expect(kernel.value(`${groupIn(own)}/cgroup.procs`)).toBe(String(CHILD));
    enforcer.release(CHILD);
    expect(kernel.value(`${own}/cgroup.procs`).split('\n')).toContain(String(CHILD));
    expect(kernel.value(`${groupIn(own)}/cgroup.procs`)).toBe('');
  });

  it('leaves a process alone that is not in when it is released', () => {
    const own = kernel.mountV1('cpu');
    const enforcer = opened();
    kernel.makeFolder(`${own}/elsewhere`);
    kernel.startIn(`${own}/elsewhere`, CHILD);
    enforcer.release(CHILD);
    expect(kernel.value(`${own}/elsewhere/cgroup.procs`)).toBe(String(CHILD));
  });

  it('throws not-found for a process that has ended', () => {
    kernel.mountV1('cpu');
    const enforcer = opened();
    expect(() => enforcer.admit(CHILD)).toThrow(OperationError);
    expect(() => enforcer.admit(CHILD)).toThrow('has ended');
  });

  it('makes further groups only for the knobs that are used, with the members so far, and removes all of them', () => {
    const own = kernel.mountV1('cpu');
    const memory = kernel.mountV1('memory', '/ours');
    const cpuset = kernel.mountV1('cpuset');
    const enforcer = opened();
    kernel.startIn(own, CHILD);
    kernel.startIn(memory, CHILD);
    kernel.startIn(cpuset, CHILD);
    enforcer.admit(CHILD);
    expect(kernel.folders(memory)).toEqual([]);
    expect(enforcer.setMemoryBytes(64 * 1024 * 1024)).toBeUndefined();
    expect(enforcer.setCpus('1')).toBeUndefined();
    expect(kernel.value(`${groupIn(memory)}/memory.limit_in_bytes`)).toBe('67108864');
    expect(kernel.value(`${groupIn(memory)}/cgroup.procs`)).toBe(String(CHILD));
    expect(kernel.value(`${groupIn(cpuset)}/cpuset.cpus`)).toBe('1');
    expect(kernel.value(`${groupIn(cpuset)}/cpuset.mems`)).toBe('0');
    enforcer.close();
    enforcer.close();
    expect([kernel.folders(own), kernel.folders(memory), kernel.folders(cpuset)]).toEqual([[], [], []]);
    expect(kernel.value(`${memory}/cgroup.procs`).split('\n')).toContain(String(CHILD));
  });

  it('says which knobs the host lacks', () => {
    kernel.mountV1('cpu');
    const blkio = kernel.mountV1('blkio');
    const enforcer = opened();
    const knobs = new Map(enforcer.knobs().map((knob) => [knob.name, knob]));
    expect(knobs.get('cpu.quota')).toEqual({ name: 'cpu.quota', available: true });
    expect(knobs.get('cpu.weight')?.available).toBe(true);
    expect(knobs.get('memory.max')?.reason).toContain('"memory"');
    expect(knobs.get('io.weight')?.reason).toContain('blkio.bfq.weight');
    expect(kernel.folders(blkio)).toEqual([]);
    expect(refused(enforcer.setIoWeight(50)).code).toBe('unsupported');
    expect(refused(enforcer.setMemoryBytes(1e8)).code).toBe('unsupported');
  });

  it('scales the weight to shares', () => {
    const own = kernel.mountV1('cpu');
    expect(opened().setWeight(200)).toBeUndefined();
    expect(kernel.value(`${groupIn(own)}/cpu.shares`)).toBe('2048');
  });

  it('names the field when the kernel refuses a value, and changes nothing', () => {
    kernel.mountV1('cpu');
    const cpuset = kernel.mountV1('cpuset');
    const enforcer = opened();
    const refusal = refused(enforcer.setCpus('99', '0'));
    expect(refusal).toMatchObject({ code: 'invalid-field', field: 'cpus' });
    expect(kernel.value(`${groupIn(cpuset)}/cpuset.cpus`)).toBe('0-1');
  });

  it('reads how long the members were held', () => {
    const own = kernel.mountV1('cpu');
    const enforcer = opened();
    kernel.write(`${groupIn(own)}/cpu.stat`, 'nr_periods 100\nnr_throttled 40\nthrottled_time 2500000000');
    expect(enforcer.readThrottled()).toEqual({ periods: 100, throttledPeriods: 40, throttledSeconds: 2.5 });
  });

  it('removes the groups of ended agents and frees their processes, and leaves those of living ones', () => {
    const own = kernel.mountV1('cpu');
    const dead = `${own}/godwit-old-777`;
    const living = `${own}/godwit-other-888`;
    for (const folder of [dead, living, `${own}/somebody-777`]) kernel.makeFolder(folder);
    kernel.startIn(dead, CHILD);
    kernel.startIn(living, 888);
    const enforcer = opened();
    expect(kernel.folders(own).sort()).toEqual([`godwit-a-${process.pid}`, 'godwit-other-888', 'somebody-777']);
    expect(kernel.value(`${own}/cgroup.procs`).split('\n')).toContain(String(CHILD));
    enforcer.close();
  });

  it('refuses a second enforcer of the same name', () => {
    kernel.mountV1('cpu');
    opened();
    expect(refused(open())).toMatchObject({ code: 'conflict', field: 'name' });
  });

  it('refuses where no folder may be made, and says why', () => {
    const own = kernel.mountV1('cpu');
    kernel.denied.add(own);
    expect(refused(open())).toMatchObject({ code: 'unsupported' });
    expect(refused(open()).reason).toContain('permission denied');
  });

  it('leaves nothing behind when the quota is refused', () => {
    const own = kernel.mountV1('cpu');
    kernel.denied.add(`${groupIn(own)}/cpu.cfs_quota_us`);
    expect(refused(open()).reason).toContain('permission denied');
    expect(kernel.folders(own)).toEqual([]);
  });
});

describe('version 2', () => {
  it('makes a group below the root, which may hold processes', () => {
    const own = kernel.mountV2();
    const enforcer = opened({ cores: 1.5 });
    expect(enforcer.kind).toBe('cgroup-v2');
    expect(kernel.value(`${groupIn(own)}/cpu.max`)).toBe('15000 10000');
    expect(enforcer.knobs().every((knob) => knob.available)).toBe(true);
  });

  it('sets every knob', () => {
    const own = kernel.mountV2();
    const enforcer = opened();
    expect([enforcer.setWeight(50), enforcer.setCpus('0', '0'), enforcer.setMemoryBytes(2 ** 30), enforcer.setIoWeight(30)]).toEqual(Array(4).fill(undefined));
    const group = groupIn(own);
    expect(['cpu.weight', 'cpuset.cpus', 'cpuset.mems', 'memory.max', 'io.weight'].map((file) => kernel.value(`${group}/${file}`)))
      .toEqual(['50', '0', '0', '1073741824', 'default 30']);
    expect(enforcer.setMemoryBytes(Number.POSITIVE_INFINITY)).toBeUndefined();
    expect(kernel.value(`${group}/memory.max`)).toBe('max');
  });

  it('makes a threaded group where its own holds processes, and says that memory and I/O are lacking', () => {
    const own = kernel.mountV2('/user/app');
    kernel.startIn(own, CHILD);
    const enforcer = opened();
    expect(kernel.value(`${groupIn(own)}/cgroup.type`)).toBe('threaded');
    expect(kernel.value(`${groupIn(own)}/cpu.max`)).toBe('2000 10000');
    const knobs = new Map(enforcer.knobs().map((knob) => [knob.name, knob]));
    expect([...knobs.values()].filter((knob) => knob.available).map((knob) => knob.name)).toEqual(['cpu.quota', 'cpu.weight', 'cpuset']);
    expect(knobs.get('memory.max')?.reason).toContain('no internal processes');
    enforcer.admit(CHILD);
    expect(kernel.value(`${groupIn(own)}/cgroup.procs`)).toBe(String(CHILD));
    enforcer.release(CHILD);
    expect(kernel.value(`${own}/cgroup.procs`).split('\n')).toContain(String(CHILD));
    enforcer.admit(CHILD);
    enforcer.close();
    expect(kernel.folders(own)).toEqual([]);
    expect(kernel.value(`${own}/cgroup.procs`).split('\n')).toContain(String(CHILD));
    expect(kernel.value(`${own}/cgroup.subtree_control`)).toBe('');
  });

  it('leaves a threaded base as it is while another agent has a group there', () => {
    const own = kernel.mountV2('/user/app');
    const first = opened({ name: 'first' });
    const second = opened({ name: 'second' });
    first.close();
    expect(kernel.value(`${own}/cgroup.subtree_control`)).toContain('cpu');
    kernel.startIn(own, CHILD);
    second.admit(CHILD);
    expect(kernel.value(`${groupIn(own, 'second')}/cgroup.procs`)).toBe(String(CHILD));
  });

  it('refuses beside children that are not threaded, and names the rule and the remedy', () => {
    const own = kernel.mountV2('/user/app');
    kernel.makeFolder(`${own}/other`);
    kernel.startIn(`${own}/other`, CHILD);
    const refusal = refused(open());
    expect(refusal.code).toBe('unsupported');
    expect(refusal.reason).toContain('no internal processes');
    expect(refusal.reason).toContain('mayMoveOwnGroup');
    expect(kernel.folders(own)).toEqual(['other']);
  });

  it('moves its own group to a leaf when it may, and releases processes to there', () => {
    const own = kernel.mountV2('/user/app');
    kernel.startIn(own, CHILD);
    const enforcer = opened({ mayMoveOwnGroup: true });
    const home = `${own}/godwit-home`;
    expect(kernel.value(`${home}/cgroup.procs`).split('\n').sort()).toEqual([String(process.pid), String(CHILD)].sort());
    enforcer.admit(CHILD);
    expect(kernel.value(`${groupIn(own)}/cgroup.procs`)).toBe(String(CHILD));
    enforcer.release(CHILD);
    expect(kernel.value(`${home}/cgroup.procs`).split('\n')).toContain(String(CHILD));
    enforcer.admit(CHILD);
    enforcer.close();
    expect(kernel.folders(own)).toEqual(['godwit-home']);
    expect(kernel.value(`${home}/cgroup.procs`).split('\n')).toContain(String(CHILD));
  });

  it('finds the base again when it is started from the leaf of an earlier agent', () => {
    const own = kernel.mountV2('/user/app');
    opened({ name: 'first', mayMoveOwnGroup: true }).close();
    kernel[Symbol.dispose]();
    kernel = new FakeKernel();
    const home = kernel.mountV2('/user/app/godwit-home');
    expect(own.endsWith('/user/app')).toBe(true);
    const enforcer = opened({ name: 'second' });
    const base = home.slice(0, -'/godwit-home'.length);
    expect(enforcer.folder).toBe(groupIn(base, 'second'));
    kernel.startIn(home, CHILD);
    enforcer.admit(CHILD);
    enforcer.release(CHILD);
    expect(kernel.value(`${home}/cgroup.procs`).split('\n')).toContain(String(CHILD));
  });

  it('refuses without delegation of the CPU controller, and says how to get it', () => {
    kernel.mountV2('/user/app', 'memory');
    expect(refused(open()).reason).toContain('Delegate=yes');
  });

  it('says why a knob is lacking when only some controllers are delegated', () => {
    kernel.mountV2('/', 'cpu memory');
    const knobs = new Map(opened().knobs().map((knob) => [knob.name, knob]));
    expect([...knobs.values()].filter((knob) => knob.available).map((knob) => knob.name)).toEqual(['cpu.quota', 'cpu.weight', 'memory.max']);
    expect(knobs.get('io.weight')?.reason).toContain('"io" is not delegated');
  });

  it('follows a mount that shows only a part of the hierarchy', () => {
    const own = kernel.mountV2('/docker/abc', 'cpu', '/docker/abc');
    expect(opened().folder).toBe(groupIn(own));
    expect(own).toBe(`${kernel.root}/sys/fs/cgroup`);
  });

  it('reads how long the members were held', () => {
    const own = kernel.mountV2();
    const enforcer = opened();
    kernel.write(`${groupIn(own)}/cpu.stat`, 'usage_usec 9\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1500000');
    expect(enforcer.readThrottled()).toEqual({ periods: 10, throttledPeriods: 4, throttledSeconds: 1.5 });
  });
});

describe('either version', () => {
  it('takes the version that has the CPU controller when both are mounted', () => {
    kernel.mountV2('/', 'hugetlb');
    kernel.mountV1('cpu');
    expect(opened().kind).toBe('cgroup-v1');
  });

  it('refuses when nothing is mounted', () => {
    expect(refused(open()).reason).toContain('/proc/self/mountinfo: no such file');
  });

  it.each([[{ name: 'A' }, 'name'], [{ name: '../x' }, 'name'], [{ cores: 0 }, 'cores'], [{ cores: Number.NaN }, 'cores'], [{ cores: 1e9 }, 'cores']])(
    'refuses %j and writes nothing', (options, field) => {
      const own = kernel.mountV1('cpu');
      expect(refused(open(options))).toMatchObject({ code: 'invalid-field', field });
      expect(kernel.folders(own)).toEqual([]);
      expect(kernel.writes).toEqual([]);
    });

  it.each([
    ['weight', (enforcer: CapacityEnforcer) => enforcer.setWeight(0)], ['weight', (enforcer: CapacityEnforcer) => enforcer.setIoWeight(10_001)],
    ['cpus', (enforcer: CapacityEnforcer) => enforcer.setCpus('0;1')], ['memoryNodes', (enforcer: CapacityEnforcer) => enforcer.setCpus('0', '')],
    ['memoryBytes', (enforcer: CapacityEnforcer) => enforcer.setMemoryBytes(1)], ['cores', (enforcer: CapacityEnforcer) => enforcer.setCores(-1)],
  ])('refuses a bad %s', (field, act) => {
    kernel.mountV2();
    expect(refused(act(opened()))).toMatchObject({ code: 'invalid-field', field });
  });
});
