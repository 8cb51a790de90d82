/**
 * Control groups version 2: one hierarchy, one group with all controllers that the parent hands on.
 *
 * Rules of the kernel decide what our group can have (Documentation/admin-guide/cgroup-v2.rst):
 * - a controller reaches the children only if the parent has it and names it in `cgroup.subtree_control`;
 * - "no internal processes": except at the root, a group that hands on controllers may hold no process itself. Our own group
 *   holds at least us;
 * - but the controllers `cpu` and `cpuset` can be handed on to *threaded* children, which share the memory and I/O of their
 *   parent; the parent may then hold processes, unless it has other children with processes that are not threaded.
 * So there are three ways, tried in this order: at the root, an ordinary group; with `mayMoveOwnGroup`, all processes of our own
 * group move to a leaf of it, `godwit-home`, where released processes go too, and the group is an ordinary one (container
 * runtimes do this); else a threaded group, which lacks `memory.max` and `io.weight`.
 * A program started from the leaf of an earlier agent finds the base again by the leaf's name; the leaf stays, since others
 * may be in it. A threaded base is put back by whoever changed it, if no other group is below it then.
 */
import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import type { KnobName } from './capacity-enforcer.js';
import { explain, type ControlFiles } from './control-files.js';
import { emptyInto, Group, removeLeftovers } from './group.js';
import type { GroupLayout, Setting } from './group-enforcer.js';
import { quotaOf } from './limits.js';

const HOME = 'godwit-home';
const CONTROLLERS = ['cpu', 'cpuset', 'memory', 'io'] as const;
/** What the kernel can divide among the threads of one domain, without their memory. */
const THREADED_CONTROLLERS: readonly string[] = ['cpu', 'cpuset'];
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

interface Base {
  readonly folder: string;
  /** Where our own and released processes are: the base itself or its leaf. */
  readonly home: string;
  readonly threaded: boolean;
  /** Why a controller does not reach the children. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Handed on by us, to be taken back at the end. */
  readonly handedOn: readonly string[];
}

export class LayoutV2 implements GroupLayout {
  readonly kind = 'cgroup-v2';

  private constructor(private readonly group: Group, private readonly base: Base, private readonly files: ControlFiles) {}

  /** Prepares the base and makes the group. @returns a `Refusal` that says what stands in the way, and the remedy. */
  static open(options: OpenV2): LayoutV2 | Refusal {
    const { files } = options;
    const base = prepareBase(options);
    if (isRefusal(base)) return base;
    removeLeftovers(files, base.folder, base.home, options.isAlive);
    const group = Group.create(`${base.folder}/${options.groupName}`, base.home, files);
    if (isRefusal(group)) return group;
    const layout = new LayoutV2(group, base, files);
    if (!base.threaded) return layout;
    try {
      group.write('cgroup.type', 'threaded');
      return layout;
    } catch (error) {
      layout.close();
      return refuse('unsupported', `${internalProcesses(base.folder)}; ${explain(`${group.folder}/cgroup.type`, error)}`);
    }
  }

  groups(): readonly Group[] {
    return [this.group];
  }

  lacks(knob: KnobName): string | undefined {
    if (FILES[knob].some((file) => this.group.has(file))) return undefined;
    const controller = knob === 'cpuset' ? 'cpuset' : knob.slice(0, knob.indexOf('.'));
    return `${knob}: ${this.base.reasons.get(controller) ?? `${this.group.folder}: this kernel gives no ${FILES[knob].join(' or ')}`}`;
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

  /** @throws OperationError `internal`, with effect `done` when only the base could not be put back. */
  close(): void {
    this.group.remove();
    const { folder, threaded, handedOn } = this.base;
    if (!threaded || this.files.folders(folder).length > 0) return;
    const path = `${folder}/cgroup.subtree_control`;
    try {
      for (const controller of handedOn) this.files.write(path, `-${controller}`);
    } catch (error) {
      throw new OperationError('internal', `the group is removed, but its base could not be put back: ${explain(path, error)}`, { effect: 'done', cause: error });
    }
  }
}

function prepareBase({ ownFolder, files, mayMoveOwnGroup }: OpenV2): Base | Refusal {
  const atHome = ownFolder.endsWith(`/${HOME}`);
  const folder = atHome ? ownFolder.slice(0, -HOME.length - 1) : ownFolder;
  const isRoot = !files.exists(`${folder}/cgroup.type`);
  let available: readonly string[];
  try {
    available = words(files.read(`${folder}/cgroup.controllers`));
  } catch (error) {
    return refuse('unsupported', explain(`${folder}/cgroup.controllers`, error));
  }
  if (!available.includes('cpu')) return refuse('unsupported', notDelegated(folder, available, 'cpu'));
  if (!isRoot && !atHome && mayMoveOwnGroup) {
    const refused = moveHome(files, folder);
    if (refused !== undefined) return refused;
  }
  const moved = atHome || (!isRoot && mayMoveOwnGroup);
  const threaded = !isRoot && !moved;
  const reasons = new Map<string, string>();
  const handedOn: string[] = [];
  for (const controller of CONTROLLERS) {
    if (!available.includes(controller)) {
      reasons.set(controller, notDelegated(folder, available, controller));
      continue;
    }
    if (threaded && !THREADED_CONTROLLERS.includes(controller)) {
      reasons.set(controller, internalProcesses(folder));
      continue;
    }
    const blocked = handOn(files, folder, controller);
    if (blocked === 'already') continue;
    if (blocked === undefined) handedOn.push(controller);
    else if (controller === 'cpu') return refuse('unsupported', `${internalProcesses(folder)}; ${explain(`${folder}/cgroup.subtree_control`, blocked)}`);
    else reasons.set(controller, explain(`${folder}/cgroup.subtree_control`, blocked));
  }
  return { folder, home: moved ? `${folder}/${HOME}` : folder, threaded, reasons, handedOn };
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/** @returns `undefined` if the children have the controller from now on, `already` if they had it, else the system's error. */
function handOn(files: ControlFiles, folder: string, controller: string): unknown {
  const path = `${folder}/cgroup.subtree_control`;
  try {
    if (words(files.read(path)).includes(controller)) return 'already';
    files.write(path, `+${controller}`);
    return undefined;
  } catch (error) {
    return error;
  }
}

function moveHome(files: ControlFiles, folder: string): Refusal | undefined {
  const home = `${folder}/${HOME}`;
  try {
    if (!files.exists(home)) files.makeFolder(home);
    if (emptyInto(files, folder, home)) return undefined;
    return refuse('unsupported', `${folder}: its processes keep forking and cannot be moved`);
  } catch (error) {
    if (error instanceof OperationError) return refuse('unsupported', `our own group could not be moved: ${error.message}`);
    return refuse('unsupported', `our own group could not be moved: ${explain(home, error)}`);
  }
}

const notDelegated = (folder: string, available: readonly string[], controller: string): string =>
  `the controller "${controller}" is not delegated to ${folder} (it has: ${available.join(' ') || 'none'}); with systemd, set Delegate=yes for the agent's unit`;

const internalProcesses = (folder: string): string =>
  `${folder} holds processes (ours among them), and version 2 lets no such group hand on every controller ("no internal processes"); `
  + 'start the agent as the only program of a delegated group and let it move its own group to a leaf (mayMoveOwnGroup)';
