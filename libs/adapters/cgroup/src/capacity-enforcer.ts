/** The port: holding a device's processes to a capacity. The agent owns one enforcer per device. */
import type { Refusal } from '@godwit/kernel';

/** How long the members were held back since the group was made. */
export interface Throttled {
  /** Enforcement periods in which the group had something to run. */
  readonly periods: number;
  /** Those of them in which it had used up its quota. */
  readonly throttledPeriods: number;
  /** Time that its run queues were held, summed over CPUs, seconds. */
  readonly throttledSeconds: number;
}

export type KnobName = 'cpu.quota' | 'cpu.weight' | 'cpuset' | 'memory.max' | 'io.weight';

/** One thing that can be set for a group, and if this host lacks it, why. */
export interface Knob {
  readonly name: KnobName;
  readonly available: boolean;
  readonly reason?: string;
}

export interface CapacityEnforcer {
  readonly kind: 'cgroup-v1' | 'cgroup-v2' | 'duty-cycle';
  /** Folder of the group that carries the quota, for reading its statistics; `undefined` without a group. */
  readonly folder: string | undefined;
  /** Puts a process under the capacity; children that it starts from now on follow. @throws OperationError `not-found` when it has ended. */
  admit(pid: number): void;
  /** Takes one process out again, for instance for a freeze that must not be slowed. One that is not in, or has ended, is left alone. */
  release(pid: number): void;
  /** @param cores 0.001 to 65536, in force at once. */
  setCores(cores: number): Refusal | undefined;
  /** @param weight share against sibling groups when CPUs are short: 1 to 10000, 100 is usual. */
  setWeight(weight: number): Refusal | undefined;
  /** @param cpus the kernel's list format, such as `0-3,8`. @param memoryNodes the same for NUMA nodes; as the parent's when left out. */
  setCpus(cpus: string, memoryNodes?: string): Refusal | undefined;
  /** @param memoryBytes hard limit, at least 1 MiB, `Infinity` for none. Above it the kernel reclaims, then kills inside the group. */
  setMemoryBytes(memoryBytes: number): Refusal | undefined;
  /** @param weight share of the disks against sibling groups: 1 to 10000, 100 is usual. */
  setIoWeight(weight: number): Refusal | undefined;
  /** All knobs, in a fixed order. */
  knobs(): readonly Knob[];
  /** `undefined` where the mechanism does not count. */
  readThrottled(): Throttled | undefined;
  /** Moves the remaining processes back to the parent and removes the groups. Safe to call twice. */
  close(): void;
}
