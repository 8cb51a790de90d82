/**
 * Control groups version 1: each controller has a hierarchy of its own (or shares one), and so we have a group in each
 * that is used. Only the one with the quota is made at start.
 */
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { KnobName } from './capacity-enforcer.js';
import { explain, type ControlFiles } from './control-files.js';
import { Group, removeLeftovers } from './group.js';
import type { GroupLayout, Setting } from './group-enforcer.js';
import type { OwnGroup } from './hierarchies.js';
import { quotaOf } from './limits.js';

const CONTROLLERS: Readonly<Record<KnobName, string>> = {
  'cpu.quota': 'cpu', 'cpu.weight': 'cpu', cpuset: 'cpuset', 'memory.max': 'memory', 'io.weight': 'blkio',
};
/** A group has the knob if it has one of these files. The weight of BFQ replaced that of CFQ in Linux 5.0. */
const PROOFS: Readonly<Record<KnobName, readonly string[]>> = {
  'cpu.quota': ['cpu.cfs_quota_us'], 'cpu.weight': ['cpu.shares'], cpuset: ['cpuset.cpus'], 'memory.max': ['memory.limit_in_bytes'],
  'io.weight': ['blkio.bfq.weight', 'blkio.weight'],
};
const NS_PER_SECOND = 1e9;
const USUAL_WEIGHT = 100;
const USUAL_SHARES = 1024;
const USUAL_BLKIO_WEIGHT = 500;
const LEAST_BLKIO_WEIGHT = 10;
const MOST_BLKIO_WEIGHT = 1000;

interface LayoutParts {
  readonly own: ReadonlyMap<string, OwnGroup>;
  readonly groupName: string;
  readonly files: ControlFiles;
  readonly isAlive: (pid: number) => boolean;
}

export class LayoutV1 implements GroupLayout {
  readonly kind = 'cgroup-v1';
  private readonly made = new Map<string, Group>();
  private readonly probed = new Map<KnobName, Refusal | undefined>();

  constructor(private readonly parts: LayoutParts) {}

  groups(): readonly Group[] {
    return [...this.made.values()];
  }

  lacks(knob: KnobName): string | undefined {
    return this.refusalOf(knob)?.reason;
  }

  groupFor(knob: KnobName): Group | Refusal {
    const refused = this.refusalOf(knob);
    if (refused !== undefined) return refused;
    const own = this.ownFolder(CONTROLLERS[knob]) as string;
    const group = this.made.get(own) ?? this.make(own);
    if (!isRefusal(group)) this.made.set(own, group);
    return group;
  }

  quota(cores: number): readonly Setting[] {
    const { quotaUs, periodUs } = quotaOf(cores);
    // Without a quota in between, a new period with the old quota may be more than the parent has, and be refused.
    return [
      { file: 'cpu.cfs_quota_us', value: '-1' }, { file: 'cpu.cfs_period_us', value: String(periodUs) },
      { file: 'cpu.cfs_quota_us', value: String(quotaUs) },
    ];
  }

  weight(_group: Group, weight: number): readonly Setting[] {
    return [{ file: 'cpu.shares', value: String(Math.max(2, Math.round((weight * USUAL_SHARES) / USUAL_WEIGHT))) }];
  }

  memory(memoryBytes: number): readonly Setting[] {
    return [{ file: 'memory.limit_in_bytes', value: Number.isFinite(memoryBytes) ? String(Math.floor(memoryBytes)) : '-1' }];
  }

  ioWeight(group: Group, weight: number): readonly Setting[] {
    if (group.has('blkio.bfq.weight')) return [{ file: 'blkio.bfq.weight', value: String(Math.min(MOST_BLKIO_WEIGHT, Math.round(weight))) }];
    const scaled = Math.round((weight * USUAL_BLKIO_WEIGHT) / USUAL_WEIGHT);
    return [{ file: 'blkio.weight', value: String(Math.min(MOST_BLKIO_WEIGHT, Math.max(LEAST_BLKIO_WEIGHT, scaled))) }];
  }

  parseThrottledSeconds(stat: ReadonlyMap<string, number>): number {
    return (stat.get('throttled_time') ?? 0) / NS_PER_SECOND;
  }

  close(): void {
    for (const group of this.made.values()) group.remove();
    this.made.clear();
  }

  private refusalOf(knob: KnobName): Refusal | undefined {
    const controller = CONTROLLERS[knob];
    const own = this.ownFolder(controller);
    if (own === undefined) return refuse('unsupported', `${knob}: no control group of version 1 with the controller "${controller}" is mounted`);
    const made = this.made.get(own);
    if (made !== undefined) return refusalIn(made, knob);
    if (!this.probed.has(knob)) this.probed.set(knob, this.probe(own, knob));
    return this.probed.get(knob);
  }

  /** Files that the root of a hierarchy does not show may be in a group below: only a made group tells. It goes at once. */
  private probe(own: string, knob: KnobName): Refusal | undefined {
    const group = this.make(own);
    if (isRefusal(group)) return group;
    const refused = refusalIn(group, knob);
    group.remove();
    return refused;
  }

  private make(own: string): Group | Refusal {
    const { files, groupName, isAlive } = this.parts;
    removeLeftovers(files, own, own, isAlive);
    const group = Group.create(`${own}/${groupName}`, own, files);
    if (isRefusal(group)) return group;
    const refused = fillCpuset(group, own, files);
    if (refused === undefined) return group;
    group.remove();
    return refused;
  }

  private ownFolder(controller: string): string | undefined {
    const own = this.parts.own.get(controller);
    return own?.version === 1 ? own.folder : undefined;
  }
}

function refusalIn(group: Group, knob: KnobName): Refusal | undefined {
  if (PROOFS[knob].some((file) => group.has(file))) return undefined;
  return refuse('unsupported', `${knob}: ${group.folder}: this kernel gives no ${PROOFS[knob].join(' or ')}`);
}

/** A new cpuset group has no CPUs and no nodes, and refuses processes until it has: it gets all that its parent has. */
function fillCpuset(group: Group, own: string, files: ControlFiles): Refusal | undefined {
  if (!group.has('cpuset.cpus')) return undefined;
  for (const file of ['cpuset.mems', 'cpuset.cpus']) {
    try {
      group.write(file, files.read(`${own}/${file}`).trim());
    } catch (error) {
      return refuse('unsupported', explain(`${group.folder}/${file}`, error));
    }
  }
  return undefined;
}
