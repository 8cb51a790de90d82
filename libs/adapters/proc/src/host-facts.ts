/** What a host is, for the registration of a device and to tell whether two agents share a machine. Read once, at start. */
import { readdirSync } from 'node:fs';
import type { Absence } from '@godwit/telemetry';
import { AbsenceList } from './absence-list.js';
import { readOnce } from './kept-file.js';

export interface NumaNode {
  readonly node: number;
  readonly cpus: readonly number[];
  readonly memoryBytes: number | undefined;
}

/** A fact that the host does not give is `undefined`, with the reason under its name in `absences`. */
export interface HostFacts {
  /** Random id of this boot: equal for two agents exactly if they run on one kernel. */
  readonly bootId: string | undefined;
  /** CPUs online. */
  readonly cpuCount: number | undefined;
  readonly cpuModel: string | undefined;
  /** As `uname -m` says: `x86_64`, `aarch64`. */
  readonly architecture: string;
  readonly kernelRelease: string | undefined;
  readonly memoryBytes: number | undefined;
  readonly numaNodes: readonly NumaNode[];
  readonly absences: readonly Absence[];
}

const BYTES_PER_KIB = 1024;
const MAX_CPUS = 65_536;
/** Node's names for what the kernel calls otherwise; needed before Linux 6.1, which has no /proc/sys/kernel/arch. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };

export function hostFacts({ procRoot = '/proc', sysRoot = '/sys' }: { readonly procRoot?: string; readonly sysRoot?: string } = {}): HostFacts {
  const absent = new AbsenceList();
  const text = (fact: string, path: string): string | undefined => {
    const file = readOnce(path);
    absent.set(fact, 'failure' in file ? file.failure : undefined);
    return 'text' in file ? file.text.trim() : undefined;
  };
  const bootId = text('bootId', `${procRoot}/sys/kernel/random/boot_id`);
  const kernelRelease = text('kernelRelease', `${procRoot}/sys/kernel/osrelease`);
  const cpuCount = parseCpuList(text('cpuCount', `${sysRoot}/devices/system/cpu/online`) ?? '')?.length;
  if (cpuCount === undefined) absent.set('cpuCount', `${sysRoot}/devices/system/cpu/online: no list of CPUs`);
  const cpuModel = modelOf(text('cpuModel', `${procRoot}/cpuinfo`) ?? '');
  if (cpuModel === undefined) absent.set('cpuModel', `${procRoot}/cpuinfo: names no model`);
  const memoryBytes = kibBytes(text('memoryBytes', `${procRoot}/meminfo`) ?? '', /^MemTotal:\s+(\d+) kB/m);
  if (memoryBytes === undefined) absent.set('memoryBytes', `${procRoot}/meminfo: has no MemTotal`);
  const architecture = readOnce(`${procRoot}/sys/kernel/arch`);
  return {
    bootId, kernelRelease, cpuCount, cpuModel, memoryBytes,
    architecture: 'text' in architecture ? architecture.text.trim() : (ARCHITECTURES[process.arch] ?? process.arch),
    numaNodes: numaNodes(`${sysRoot}/devices/system/node`, absent),
    absences: absent.list(),
  };
}

/** Parses the kernel's list format, such as `0-3,8`. @returns the numbers, or `undefined` if it is none. */
export function parseCpuList(list: string): number[] | undefined {
  const cpus: number[] = [];
  for (const range of list.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last >= MAX_CPUS) return undefined;
    for (let cpu = first; cpu <= last; cpu += 1) cpus.push(cpu);
  }
  return cpus;
}

/** x86 says `model name`, POWER `cpu`, some arm boards `Model`; arm64 servers give only numbers of maker and part. */
function modelOf(cpuinfo: string): string | undefined {
  const named = /^(?:model name|cpu|Model)\s*:\s*(.+)$/m.exec(cpuinfo)?.[1];
  if (named !== undefined) return named.trim();
  const implementer = /^CPU implementer\s*:\s*(\S+)/m.exec(cpuinfo)?.[1];
  const part = /^CPU part\s*:\s*(\S+)/m.exec(cpuinfo)?.[1];
  return implementer === undefined || part === undefined ? undefined : `implementer ${implementer} part ${part}`;
}

function kibBytes(text: string, pattern: RegExp): number | undefined {
  const kib = pattern.exec(text)?.[1];
  return kib === undefined ? undefined : Number(kib) * BYTES_PER_KIB;
}

function numaNodes(folder: string, absent: AbsenceList): NumaNode[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => /^node\d+$/.test(name));
  } catch {
    absent.set('numaNodes', `${folder}: this kernel knows no NUMA nodes`);
    return [];
  }
  return names.map((name) => {
    const cpus = readOnce(`${folder}/${name}/cpulist`);
    const memory = readOnce(`${folder}/${name}/meminfo`);
    return {
      node: Number(name.slice('node'.length)),
      cpus: ('text' in cpus ? parseCpuList(cpus.text) : undefined) ?? [],
      memoryBytes: 'text' in memory ? kibBytes(memory.text, /MemTotal:\s+(\d+) kB/) : undefined,
    };
  }).sort((left, right) => left.node - right.node);
}
