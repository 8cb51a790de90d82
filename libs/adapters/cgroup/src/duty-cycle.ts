/**
 * Capacity without control groups: each thread runs only a share of the time, at its safepoints. This class keeps the
 * capacity and computes the ratios; the runners carry them out and count what they held back.
 */
import { refuse, type Refusal } from '@godwit/kernel';
import type { CapacityEnforcer, Knob } from './capacity-enforcer.js';
import { checkCores } from './limits.js';
import { shareCores, type ThreadDemand } from './share-cores.js';

const KNOB_NAMES = ['cpu.quota', 'cpu.weight', 'cpuset', 'memory.max', 'io.weight'] as const;

export class DutyCycle implements CapacityEnforcer {
  readonly kind = 'duty-cycle';
  readonly folder = undefined;
  private readonly pids = new Set<number>();

  private constructor(private capacityCores: number, private readonly reason: string) {}

  /** @param reason why there is no control group, as `openEnforcer` refused it: shown for each knob that is lacking. */
  static open({ cores, reason }: { readonly cores: number; readonly reason: string }): DutyCycle | Refusal {
    return checkCores(cores) ?? new DutyCycle(cores, reason);
  }

  /**
   * @param threads of the processes admitted; their demands in cores
   * @returns for each thread the share of time that it may run, 0..1: its fair share of the capacity, at most one core
   */
  ratios(threads: readonly ThreadDemand[]): Map<string, number> {
    return shareCores({
      capacityCores: this.capacityCores,
      threads: threads.map((thread) => ({ ...thread, maxCores: Math.min(1, thread.maxCores) })),
    });
  }

  /** Whether the process is held to the capacity now: one that was released runs freely, for instance during a freeze. */
  holds(pid: number): boolean {
    return this.pids.has(pid);
  }

  admit(pid: number): void {
    this.pids.add(pid);
  }

  release(pid: number): void {
    this.pids.delete(pid);
  }

  setCores(cores: number): Refusal | undefined {
    const refused = checkCores(cores);
    if (refused === undefined) this.capacityCores = cores;
    return refused;
  }

  setWeight(): Refusal {
    return this.lacks('cpu.weight');
  }

  setCpus(): Refusal {
    return this.lacks('cpuset');
  }

  setMemoryBytes(): Refusal {
    return this.lacks('memory.max');
  }

  setIoWeight(): Refusal {
    return this.lacks('io.weight');
  }

  knobs(): readonly Knob[] {
    return KNOB_NAMES.map((name) => ({ name, available: false, reason: this.reason }));
  }

  /** The runners count what they held back, not this class. */
  readThrottled(): undefined {
    return undefined;
  }

  close(): void {
    this.pids.clear();
  }

  private lacks(knob: string): Refusal {
    return refuse('unsupported', `${knob}: ${this.reason}`);
  }
}
