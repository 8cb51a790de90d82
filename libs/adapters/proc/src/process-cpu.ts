/**
 * CPU time of a process tree. Two clocks of the kernel are joined:
 * - /proc/<pid>/stat: own threads including the ended ones, and reaped children, but cut down to ticks of 10 ms;
 * - /proc/<pid>/task/<tid>/schedstat: nanoseconds, but only of the threads that live.
 * Both come from the same clock of the scheduler and never run ahead of the truth, so the larger is the better:
 * own = max(sum of the living threads + what the ended had when last read, ticks). A running thread's schedstat is
 * brought up to date at scheduler events, at the latest each timer interrupt (1 to 10 ms).
 * One read per thread costs about a microsecond: when the scope has more than `FINE_TASK_LIMIT` threads, only ticks
 * are used for the rest; an error of at most 20 ms per process then stands against the sum over many.
 */
import type { Absence, Collector } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import type { CollectorContext } from './context.js';
import { OsTasks } from './os-tasks.js';
import type { ProcessTree, TrackedProcess } from './process-tree.js';
import { Rate } from './rate.js';
import { TreeCounter } from './tree-counter.js';

const FINE_TASK_LIMIT = 256;
const NS_PER_SECOND = 1e9;

interface Clock {
  readonly tasks: OsTasks;
  ownNs: number;
}

export class ProcessCpu implements Collector {
  readonly name = 'cpu';
  private readonly tree: ProcessTree;
  private readonly counter = new TreeCounter();
  private readonly clocks = new Map<TrackedProcess, Clock>();
  private readonly rate = new Rate();
  private readonly absent = new AbsenceList();
  private readonly nsPerTick: number;

  constructor(context: Pick<CollectorContext, 'tree' | 'units'>) {
    this.tree = context.tree;
    this.nsPerTick = NS_PER_SECOND / context.units.ticksPerSecond;
    this.absent.set('cpu.cores.<n>', 'the CPUs belong to the host; this device is a process tree');
    this.absent.set('cpu.capacity_cores', 'the capacity of a process tree is what the agent enforces, not what the host has');
  }

  /** CPU time of the scope since it was opened, seconds; never falls. */
  get cpuSeconds(): number {
    return this.counter.total / NS_PER_SECOND;
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    this.tree.refresh(monotonicMs);
    this.absent.set('cpu.cores', this.tree.failure);
    if (this.tree.failure !== undefined) return;
    this.counter.settle();
    for (const [process, clock] of this.clocks) {
      if (process.status === 'alive') continue;
      clock.tasks.close();
      this.clocks.delete(process);
    }
    let fineTasks = 0;
    for (const process of this.tree.processes()) {
      fineTasks += process.threadCount;
      const clock = this.clockOf(process);
      this.counter.add(process, this.ownNs(process, clock, fineTasks <= FINE_TASK_LIMIT, monotonicMs), process.reapedTicks * this.nsPerTick);
    }
    const cores = this.rate.next(this.cpuSeconds, monotonicMs);
    if (cores !== undefined) into['cpu.cores'] = cores;
  }

  absences(): readonly Absence[] {
    return this.absent.list();
  }

  close(): void {
    for (const clock of this.clocks.values()) clock.tasks.close();
    this.clocks.clear();
  }

  private ownNs(process: TrackedProcess, clock: Clock, fine: boolean, monotonicMs: number): number {
    const { tasks } = clock;
    const ticksNs = process.ownTicks * this.nsPerTick;
    if (fine) {
      const tasksNs = tasks.read(process.threadCount, monotonicMs);
      // Threads that ended unseen are in the ticks only: what they are ahead belongs to the ended threads from now on.
      if (ticksNs > tasksNs) tasks.endedNs += ticksNs - tasksNs;
      clock.ownNs = Math.max(clock.ownNs, tasksNs, ticksNs);
    } else {
      if (tasks.tasks.size > 0) tasks.close();
      clock.ownNs = Math.max(clock.ownNs, ticksNs);
    }
    return clock.ownNs;
  }

  private clockOf(process: TrackedProcess): Clock {
    let clock = this.clocks.get(process);
    if (clock === undefined) {
      clock = { tasks: new OsTasks(process.folder), ownNs: 0 };
      this.clocks.set(process, clock);
    }
    return clock;
  }
}
