/** All collectors of one device, opened for its scope and read together. This is what an agent holds. */
import { refuse, type Refusal } from '@godwit/kernel';
import type { Absence, Collector } from '@godwit/telemetry';
import { COLLECTORS } from './collectors.js';
import type { CollectorContext, CollectorEntry, Scope } from './context.js';
import { readKernelUnits } from './kernel-units.js';
import { ProcessTree } from './process-tree.js';
import { Unavailable } from './unavailable.js';

export interface DeviceCollectorsOptions {
  readonly scope: Scope;
  /** Roots of the process tree; only with the scope `processes`. Children count by themselves. */
  readonly pids?: Iterable<number>;
  /** The device's control group, if the agent made one; only with the scope `processes`. */
  readonly cgroupFolder?: string;
  readonly procRoot?: string;
  readonly sysRoot?: string;
}

/**
 * Opens every collector for the scope. Missing files are no error: they show in `absences()`.
 * @returns a `Refusal` that names the field when the options contradict each other or a pid is none.
 */
export function openDeviceCollectors(options: DeviceCollectorsOptions): DeviceCollectors | Refusal {
  const { scope, procRoot = '/proc', sysRoot = '/sys', cgroupFolder } = options;
  if (scope === 'host' && options.pids !== undefined) return refuse('invalid-field', 'pids can be given only with the scope "processes"', 'pids');
  if (scope === 'host' && cgroupFolder !== undefined) {
    return refuse('invalid-field', 'a control group can be given only with the scope "processes"', 'cgroupFolder');
  }
  const tree = new ProcessTree(procRoot);
  const refused = tree.setPids(options.pids ?? []);
  if (refused !== undefined) return refused;
  const context: CollectorContext = { procRoot, sysRoot, tree, cgroupFolder, units: readKernelUnits(procRoot) };
  return new DeviceCollectors(scope, tree, COLLECTORS.map((entry) => openEntry(entry, scope, context)));
}

function openEntry(entry: CollectorEntry, scope: Scope, context: CollectorContext): Collector {
  const open = entry[scope];
  return typeof open === 'string' ? new Unavailable(entry.name, entry.metrics, open) : open(context);
}

export class DeviceCollectors implements Collector {
  readonly name = 'device';

  constructor(readonly scope: Scope, private readonly tree: ProcessTree, readonly collectors: readonly Collector[]) {}

  /** Replaces the roots of the process tree; what was counted so far stays counted. */
  setPids(pids: Iterable<number>): Refusal | undefined {
    if (this.scope !== 'processes') return refuse('invalid-field', 'pids can be given only with the scope "processes"', 'pids');
    return this.tree.setPids(pids);
  }

  collect(monotonicMs: number, into: Record<string, number>): void {
    for (const collector of this.collectors) collector.collect(monotonicMs, into);
  }

  absences(): readonly Absence[] {
    return this.collectors.flatMap((collector) => collector.absences());
  }

  close(): void {
    for (const collector of this.collectors) collector.close();
    this.tree.close();
  }
}
