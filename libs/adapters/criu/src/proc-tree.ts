/** What /proc says of a process tree. All reads are synchronous: they are short, and between two of them nothing else of ours happens. */
import { readdirSync, readFileSync } from 'node:fs';

export interface TaskStat {
  readonly pid: number;
  readonly parentPid: number;
  /** One letter of proc(5): R, S, D, T, t, Z, X. */
  readonly state: string;
  /** CPU of it and of its children that were waited for, clock ticks. */
  readonly cpuTicks: number;
  readonly residentPages: number;
  /** Clock ticks from boot: tells it from a later process with the same number. */
  readonly startTicks: string;
}

/** `undefined` when it is gone. */
function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    // ENOENT and ESRCH: it ended; EACCES and EPERM: it is not ours to look into. Either way there is nothing to read.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function namesOr(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

export const threadsOf = (pid: number): number[] => namesOr(`/proc/${pid}/task`).map(Number);

export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((tid) => (readOr(`/proc/${pid}/task/${tid}/children`) ?? '').split(' ').filter((word) => word !== '').map(Number));
}

/** All that descend from `pid`, parents before children; not `pid` itself. */
export function descendantsOf(pid: number): number[] {
  const found = childrenOf(pid);
  for (let i = 0; i < found.length; i++) found.push(...childrenOf(found[i]!));
  return found;
}

export function statOf(pid: number): TaskStat | undefined {
  const text = readOr(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name may contain spaces and parentheses; the fields after it are counted from `state`, the third of proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid, state: fields[0]!, parentPid: Number(fields[1]), startTicks: fields[19]!, residentPages: Number(fields[21]),
    cpuTicks: [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0),
  };
}

/** Its number in the innermost of its PID namespaces. */
export function innerPid(pid: number): number | undefined {
  const line = /^NSpid:\s*(.+)$/m.exec(readOr(`/proc/${pid}/status`) ?? '')?.[1];
  return line === undefined ? undefined : Number(line.split(/\s+/).at(-1));
}

/** A field of /proc/PID/status, as in `CapEff`. */
export const statusField = (pid: number, name: string): string | undefined =>
  new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(readOr(`/proc/${pid}/status`) ?? '')?.[1]?.trim();

/** A thread's state (one letter of proc(5)), and how often it was taken off a processor, of its own will or not. */
export function threadStatusOf(pid: number, tid: number): { readonly state: string; readonly switches: string } | undefined {
  const status = readOr(`/proc/${pid}/task/${tid}/status`);
  if (status === undefined) return undefined;
  const switches = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)/gm)].map((match) => match[1]).join('+');
  return { state: /^State:\s*(\S)/m.exec(status)?.[1] ?? '', switches };
}

export const commandLineOf = (pid: number): string => (readOr(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();

/** The system call in which a thread is blocked and its first argument; `running` when in none. */
export function syscallOf(pid: number, tid: number): { readonly number: number; readonly first: number } | 'running' | undefined {
  const text = readOr(`/proc/${pid}/task/${tid}/syscall`)?.trim();
  if (text === undefined || text === '') return undefined;
  if (text === 'running') return 'running';
  const [number, first] = text.split(' ');
  return { number: Number(number), first: Number(first ?? 0) };
}

export const CLOCK_TICKS_PER_SECOND = 100;
