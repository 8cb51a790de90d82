/** Finds the control groups of this host and opens an enforcer in them, or says why there can be none. */
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { CapacityEnforcer } from './capacity-enforcer.js';
import { kernelFiles, type ControlFiles } from './control-files.js';
import { GroupEnforcer, type GroupLayout } from './group-enforcer.js';
import { findOwnGroups, type OwnGroup } from './hierarchies.js';
import { LayoutV1 } from './layout-v1.js';
import { LayoutV2 } from './layout-v2.js';
import { checkCores, checkName } from './limits.js';

export interface OpenEnforcerOptions {
  /** The device's id, `[a-z0-9-]{1,64}`; the group is called `godwit-<name>-<our pid>`. */
  readonly name: string;
  /** Capacity from the start, cores, 0.001 to 65536. */
  readonly cores: number;
  /** Prefix of all paths; '' is the machine itself. */
  readonly root?: string;
  /**
   * Version 2 only: whether all processes of our own group may be moved to a leaf of it, so that it can hand on all of its
   * controllers; without, memory and I/O cannot be limited below the root. Right in a container or a unit of one's own, not
   * in a terminal's session. Default false.
   */
  readonly mayMoveOwnGroup?: boolean;
}

/**
 * Makes a group below our own with the capacity as its quota. Groups left by ended agents are removed first.
 * Where both versions are mounted, the one that has the CPU controller counts.
 * @returns an enforcer, or a `Refusal` (`unsupported`, `conflict`, `invalid-field`); then a `DutyCycle` is the way
 */
export function openEnforcer(options: OpenEnforcerOptions, files: ControlFiles = kernelFiles): CapacityEnforcer | Refusal {
  const { name, cores, root = '', mayMoveOwnGroup = false } = options;
  const invalid = checkName(name) ?? checkCores(cores);
  if (invalid !== undefined) return invalid;
  const own = findOwnGroups(root, files);
  if (isRefusal(own)) return own;
  const groupName = `godwit-${name}-${process.pid}`;
  const isAlive = (pid: number): boolean => files.exists(`${root}/proc/${pid}`);
  const layout = own.has('cpu') ? new LayoutV1({ own, groupName, files, isAlive }) : openV2(own, { groupName, mayMoveOwnGroup, files, isAlive });
  if (isRefusal(layout)) return layout;
  return startWith(layout, cores);
}

function openV2(own: ReadonlyMap<string, OwnGroup>, rest: Omit<Parameters<typeof LayoutV2.open>[0], 'ownFolder'>): LayoutV2 | Refusal {
  const group = own.get('');
  if (group?.version !== 2) return refuse('unsupported', 'no control group with the controller "cpu" that shows our own group is mounted');
  return LayoutV2.open({ ...rest, ownFolder: group.folder });
}

function startWith(layout: GroupLayout, cores: number): CapacityEnforcer | Refusal {
  const group = layout.groupFor('cpu.quota');
  if (isRefusal(group)) {
    layout.close();
    return group;
  }
  const enforcer = new GroupEnforcer(layout, group);
  const refused = enforcer.setCores(cores);
  if (refused === undefined) return enforcer;
  enforcer.close();
  return refused;
}
