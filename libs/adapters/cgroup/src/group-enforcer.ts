/**
 * A capacity enforced by the kernel: one group (v2), or one per controller used (v1), with its limits.
 * What differs between the versions stands in a `GroupLayout`; this class keeps members and limits together:
 * 1. a process that is admitted is in every group that exists, and a group made later receives the members so far;
 * 2. a refused value changes nothing.
 */
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import type { CapacityEnforcer, Knob, KnobName, Throttled } from './capacity-enforcer.js';
import { codeOf, explain } from './control-files.js';
import type { Group } from './group.js';
import { checkCores, checkList, checkMemoryBytes, checkWeight } from './limits.js';

export interface Setting {
  readonly file: string;
  readonly value: string;
}

/** Where groups lie and how values are written in one version of control groups. */
export interface GroupLayout {
  readonly kind: 'cgroup-v1' | 'cgroup-v2';
  /** The group that has the knob, made now if need be, or why the host lacks it. */
  groupFor(knob: KnobName): Group | Refusal;
  /** Why the host lacks the knob, without making anything; `undefined` if it has it. */
  lacks(knob: KnobName): string | undefined;
  /** All groups made so far; the first carries the quota. */
  groups(): readonly Group[];
  quota(cores: number): readonly Setting[];
  weight(group: Group, weight: number): readonly Setting[];
  memory(memoryBytes: number): readonly Setting[];
  ioWeight(group: Group, weight: number): readonly Setting[];
  parseThrottledSeconds(stat: ReadonlyMap<string, number>): number;
  close(): void;
}

const KNOB_NAMES: readonly KnobName[] = ['cpu.quota', 'cpu.weight', 'cpuset', 'memory.max', 'io.weight'];

export class GroupEnforcer implements CapacityEnforcer {
  readonly kind: 'cgroup-v1' | 'cgroup-v2';
  readonly folder: string;
  private readonly cpuGroup: Group;
  private closed = false;

  constructor(private readonly layout: GroupLayout, cpuGroup: Group) {
    this.kind = layout.kind;
    this.cpuGroup = cpuGroup;
    this.folder = cpuGroup.folder;
  }

  admit(pid: number): void {
    for (const group of this.layout.groups()) group.admit(pid);
  }

  release(pid: number): void {
    for (const group of this.layout.groups()) group.release(pid);
  }

  setCores(cores: number): Refusal | undefined {
    return checkCores(cores) ?? this.set('cpu.quota', 'cores', () => this.layout.quota(cores));
  }

  setWeight(weight: number): Refusal | undefined {
    return checkWeight(weight) ?? this.set('cpu.weight', 'weight', (group) => this.layout.weight(group, weight));
  }

  setCpus(cpus: string, memoryNodes?: string): Refusal | undefined {
    const refused = checkList(cpus, 'cpus') ?? (memoryNodes === undefined ? undefined : checkList(memoryNodes, 'memoryNodes'));
    if (refused !== undefined) return refused;
    const nodes = memoryNodes === undefined ? [] : [{ file: 'cpuset.mems', value: memoryNodes }];
    return this.set('cpuset', 'cpus', () => [...nodes, { file: 'cpuset.cpus', value: cpus }]);
  }

  setMemoryBytes(memoryBytes: number): Refusal | undefined {
    return checkMemoryBytes(memoryBytes) ?? this.set('memory.max', 'memoryBytes', () => this.layout.memory(memoryBytes));
  }

  setIoWeight(weight: number): Refusal | undefined {
    return checkWeight(weight) ?? this.set('io.weight', 'weight', (group) => this.layout.ioWeight(group, weight));
  }

  knobs(): readonly Knob[] {
    return KNOB_NAMES.map((name) => {
      const reason = this.layout.lacks(name);
      return reason === undefined ? { name, available: true } : { name, available: false, reason };
    });
  }

  /** @throws OperationError when the statistics cannot be read any more. */
  readThrottled(): Throttled | undefined {
    let text: string;
    try {
      text = this.cpuGroup.read('cpu.stat');
    } catch (error) {
      throw new OperationError('internal', explain(`${this.folder}/cpu.stat`, error), { effect: 'none', cause: error });
    }
    const stat = new Map(text.split('\n').map((line) => line.split(' ')).map(([name = '', value]) => [name, Number(value)]));
    const periods = stat.get('nr_periods');
    const throttledPeriods = stat.get('nr_throttled');
    if (periods === undefined || throttledPeriods === undefined) return undefined;
    return { periods, throttledPeriods, throttledSeconds: this.layout.parseThrottledSeconds(stat) };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.layout.close();
  }

  private set(knob: KnobName, field: string, settings: (group: Group) => readonly Setting[]): Refusal | undefined {
    const before = new Set(this.layout.groups());
    const group = this.layout.groupFor(knob);
    if (isRefusal(group)) return group;
    if (!before.has(group)) for (const pid of this.cpuGroup.members()) admitIfAlive(group, pid);
    const done: Setting[] = [];
    for (const setting of settings(group)) {
      try {
        const previous = group.read(setting.file).trim();
        group.write(setting.file, setting.value);
        done.push({ file: setting.file, value: previous });
      } catch (error) {
        undo(group, done);
        return refusedWrite(`${group.folder}/${setting.file}`, setting.value, field, error);
      }
    }
    return undefined;
  }
}

function admitIfAlive(group: Group, pid: number): void {
  try {
    group.admit(pid);
  } catch (error) {
    if (!(error instanceof OperationError && error.code === 'not-found')) throw error;
  }
}

/** @throws OperationError `internal` when the kernel refuses what was there before. */
function undo(group: Group, done: readonly Setting[]): void {
  for (const { file, value } of done.toReversed()) {
    try {
      group.write(file, value);
    } catch (error) {
      throw new OperationError('internal', `"${value}" could not be put back: ${explain(`${group.folder}/${file}`, error)}`, { effect: 'unknown', cause: error });
    }
  }
}

function refusedWrite(path: string, value: string, field: string, error: unknown): Refusal {
  const atFault = ['EINVAL', 'ERANGE', 'EBUSY', 'ENOSPC'].includes(codeOf(error));
  const reason = `"${value}" was refused: ${explain(path, error)}${atFault ? '; it may exceed what the parent group allows or what is in use now' : ''}`;
  return atFault ? refuse('invalid-field', reason, field) : refuse('unsupported', reason);
}
