/**
 * Control groups version 2: one hierarchy, one group with all controllers that the parent hands on.
 *
 * Two rules of the kernel decide where our group can be (Documentation/admin-guide/cgroup-v2.rst):
 * - a controller reaches the children only if the parent's `cgroup.subtree_control` names it, and the parent has it;
 * - "no internal processes": except at the root, a group that hands on such controllers may hold no process itself.
 * Our own group holds at least us. So below the root we need either a base without processes, or leave to move all
 * processes of our own group to a leaf of it, `godwit-home` (`mayMoveOwnGroup`; what container runtimes do too). The leaf is
 * then where released processes go. Handing on is not taken back at the end: another agent below the same base
 * may rest on it, and a program of ours started from the leaf finds the base again by the leaf's name.
 */
import { refuse, isRefusal, type Refusal } from '@godwit/kernel';
import type { KnobName } from './capacity-enforcer.js';
import { codeOf, explain, type ControlFiles } from './control-files.js';
import { emptyInto, Group, removeLeftovers } from './group.js';
import type { GroupLayout, Setting } from './group-enforcer.js';
import { quotaOf } from './limits.js';

const HOME = 'godwit-home';
const CONTROLLERS = ['cpu', 'cpuset', 'memory', 'io'] as const;
const FILES: Readonly<Record<KnobName, readonly string[]>> = {
  'cpu.quota': ['cpu.max'], 'cpu.weight': ['cpu.weight'], cpuset: ['cpuset.cpus'], 'memory.max': ['memory.max'],
  'io.weight': ['io.weight', 'io.bfq.weight'],
};
const US_PER_SECOND = 1e6;
const MOST_BFQ_WEIGHT = 1000;

export interface OpenV2 {
  readonly ownFolder: string;
  readonly groupName: string;
  readonly mayMoveOwnGroup: boolean;
  readonly files: ControlFiles;
  readonly isAlive: (pid: number) => boolean;
}

export class LayoutV2 implements GroupLayout {
  readonly kind = 'cgroup-v2';

  private constructor(private readonly group: Group, private readonly reasons: ReadonlyMap<string, string>) {}

  /** Prepares the base and makes the group. @returns a `Refusal` that says what stands in the way, and the remedy. */
  static open(options: OpenV2): LayoutV2 | Refusal {
    const { ownFolder, files, groupName } = options;
    const atHome = ownFolder.endsWith(`/${HOME}`);
    const base = atHome ? ownFolder.slice(0, -HOME.length - 1) : ownFolder;
    let available: readonly string[];
    try {
      available = words(files.read(`${base}/cgroup.controllers`));
    } catch (error) {
      return refuse('unsupported', explain(`${base}/cgroup.controllers`, error));
    }
    if (!available.includes('cpu')) return refuse('unsupported', notDelegated(base, available));
    let home = atHome ? ownFolder : base;
    const blocked = enable(files, base, 'cpu');
    if (blocked !== undefined) {
      if (codeOf(blocked) !== 'EBUSY') return refuse('unsupported', `the controller "cpu" cannot be handed on: ${explain(`${base}/cgroup.subtree_control`, blocked)}`);
      if (!options.mayMoveOwnGroup) return refuse('unsupported', internalProcesses(base));
      const moved = moveHome(files, base);
      if (isRefusal(moved)) return moved;
      home = moved;
    } else if (files.exists(`${base}/${HOME}`)) {
      home = `${base}/${HOME}`;
    }
    const reasons = handOnTheRest(files, base, available);
    removeLeftovers(files, base, home, options.isAlive);
    const group = Group.create(`${base}/${groupName}`, home, files);
    return isRefusal(group) ? group : new LayoutV2(group, reasons);
  }

  groups(): readonly Group[] {
    return [this.group];
  }

  lacks(knob: KnobName): string | undefined {
    if (FILES[knob].some((file) => this.group.has(file))) return undefined;
    const controller = knob === 'cpuset' ? 'cpuset' : knob.slice(0, knob.indexOf('.'));
    return `${knob}: ${this.reasons.get(controller) ?? `${this.group.folder}: this kernel gives no ${FILES[knob].join(' or ')}`}`;
  }

  groupFor(knob: KnobName): Group | Refusal {
    const lacking = this.lacks(knob);
    return lacking === undefined ? this.group : refuse('unsupported', lacking);
  }

  quota(cores: number): readonly Setting[] {
    const { quotaUs, periodUs } = quotaOf(cores);
    return [{ file: 'cpu.max', value: `${quotaUs} ${periodUs}` }];
  }

  weight(_group: Group, weight: number): readonly Setting[] {
    return [{ file: 'cpu.weight', value: String(Math.round(weight)) }];
  }

  memory(memoryBytes: number): readonly Setting[] {
    return [{ file: 'memory.max', value: Number.isFinite(memoryBytes) ? String(Math.floor(memoryBytes)) : 'max' }];
  }

  ioWeight(group: Group, weight: number): readonly Setting[] {
    if (group.has('io.weight')) return [{ file: 'io.weight', value: `default ${Math.round(weight)}` }];
    return [{ file: 'io.bfq.weight', value: String(Math.min(MOST_BFQ_WEIGHT, Math.round(weight))) }];
  }

  parseThrottledSeconds(stat: ReadonlyMap<string, number>): number {
    return (stat.get('throttled_usec') ?? 0) / US_PER_SECOND;
  }

  close(): void {
    this.group.remove();
  }
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/** @returns the system's error, or `undefined` if the children have the controller now. */
function enable(files: ControlFiles, base: string, controller: string): unknown {
  try {
    if (!words(files.read(`${base}/cgroup.subtree_control`)).includes(controller)) files.write(`${base}/cgroup.subtree_control`, `+${controller}`);
    return undefined;
  } catch (error) {
    return error;
  }
}

function handOnTheRest(files: ControlFiles, base: string, available: readonly string[]): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const controller of CONTROLLERS) {
    if (!available.includes(controller)) {
      reasons.set(controller, notDelegated(base, available, controller));
      continue;
    }
    const blocked = enable(files, base, controller);
    if (blocked !== undefined) reasons.set(controller, explain(`${base}/cgroup.subtree_control`, blocked));
  }
  return reasons;
}

function moveHome(files: ControlFiles, base: string): string | Refusal {
  const home = `${base}/${HOME}`;
  try {
    if (!files.exists(home)) files.makeFolder(home);
    if (!emptyInto(files, base, home)) return refuse('unsupported', `${base}: its processes keep forking and cannot be moved`);
  } catch (error) {
    return refuse('unsupported', `our own group could not be moved: ${explain(home, error)}`);
  }
  const blocked = enable(files, base, 'cpu');
  return blocked === undefined ? home : refuse('unsupported', explain(`${base}/cgroup.subtree_control`, blocked));
}

const notDelegated = (base: string, available: readonly string[], controller = 'cpu'): string =>
  `the controller "${controller}" is not delegated to ${base} (it has: ${available.join(' ') || 'none'}); with systemd, set Delegate=yes for the agent's unit`;

const internalProcesses = (base: string): string =>
  `${base} holds processes (ours among them), and version 2 lets no such group hand on the controller "cpu" ("no internal processes"); `
  + 'start the agent in an empty delegated group, or allow it to move its own group to a leaf (mayMoveOwnGroup)';
