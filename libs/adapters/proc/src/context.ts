/** What a collector is opened with, and the line by which it is listed. */
import type { Collector } from '@godwit/telemetry';
import type { KernelUnits } from './kernel-units.js';
import type { ProcessTree } from './process-tree.js';

/** `host`: the whole machine. `processes`: a tree of processes that stands for a device of its own. */
export type Scope = 'host' | 'processes';

export interface CollectorContext {
  /** `/proc`, or a recorded tree. */
  readonly procRoot: string;
  /** `/sys`, or a recorded tree. */
  readonly sysRoot: string;
  readonly units: KernelUnits;
  /** The scope's processes; empty in the scope `host`. */
  readonly tree: ProcessTree;
  /** Control group of the scope, where the agent made one: source of throttling and, in v2, of pressure. */
  readonly cgroupFolder: string | undefined;
}

export type OpenCollector = (context: CollectorContext) => Collector;

/** One line of `COLLECTORS`: for each scope how it is opened, or the reason why that scope has no such reading. */
export interface CollectorEntry {
  readonly name: string;
  /** The metrics that it answers for: each is read or absent with a reason. `<n>` stands for a number. */
  readonly metrics: readonly string[];
  readonly host: OpenCollector | string;
  readonly processes: OpenCollector | string;
}
