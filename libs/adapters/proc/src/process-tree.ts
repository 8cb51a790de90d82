/**
 * The processes of a device's scope: the pids that the agent gave (the roots) and all their descendants.
 *
 * Invariants:
 * 1. A process is one object for its whole life: its stat file stays open, and such a descriptor never shows another
 *    process that got the same pid.
 * 2. Once in scope, a process stays until it ends or its root is taken out, also when its parent dies before it.
 * 3. `refresh` works once per instant, so that every collector may call it.
 *
 * Listing /proc is dear (a third of a millisecond with 200 processes), so it is done only when /proc/loadavg shows that
 * some process or thread was created since: its last field is the newest id given. Pids below it that were seen outside
 * the scope are not looked at again until the ids wrap. A process that is born and ends between two listings is not
 * seen here; its time comes back through its parent (see `tree-counter.ts`). One that daemonises in that gap leaves
 * the scope: only a control group can hold it.
 */
import { readdirSync } from 'node:fs';
import { refuse, type Refusal } from '@godwit/kernel';
import { failureOf, KeptFile } from './kept-file.js';
import { Scanner } from './scanner.js';

const DISCOVER_EVERY_MS = 200;
const MAX_PID = 4_194_304;
const CLOSE_PARENTHESIS = 0x29;

/** One living or ended process of the scope. Ticks are the kernel's (`KernelUnits.ticksPerSecond`). */
export interface TrackedProcess {
  readonly pid: number;
  readonly folder: string;
  /** All of its time belongs to the scope, because its parent was in scope when it was born. */
  readonly countsFromZero: boolean;
  status: 'alive' | 'ended' | 'left';
  parent: TrackedProcess | undefined;
  /** CPU time of its own threads, the ended ones included. */
  ownTicks: number;
  /** CPU time of the children that it has waited for, and of theirs. */
  reapedTicks: number;
  threadCount: number;
}

interface StatLine {
  parentPid: number;
  ownTicks: number;
  reapedTicks: number;
  threadCount: number;
}

interface Entry {
  readonly process: TrackedProcess;
  readonly stat: KeptFile;
  readonly rootPid: number;
}

export class ProcessTree {
  /** Why /proc could not be listed; `undefined` when it could. */
  failure: string | undefined;
  private readonly entries = new Map<number, Entry>();
  private readonly outsiders = new Set<number>();
  private readonly newestIdFile: KeptFile;
  private readonly scanner = new Scanner();
  private readonly line: StatLine = { parentPid: 0, ownTicks: 0, reapedTicks: 0, threadCount: 0 };
  private roots = new Set<number>();
  private newestId = -1;
  private refreshedMs = Number.NaN;
  private discoveredMs = Number.NEGATIVE_INFINITY;
  private discoveryDue = true;

  constructor(private readonly procRoot: string) {
    this.newestIdFile = new KeptFile(`${procRoot}/loadavg`);
  }

  /** Replaces the roots. Processes under a root that stays keep their counters; those of a removed root leave the scope. */
  setPids(pids: Iterable<number>): Refusal | undefined {
    const roots = new Set(pids);
    for (const pid of roots) {
      if (!Number.isSafeInteger(pid) || pid < 1 || pid > MAX_PID) {
        return refuse('invalid-field', `pids must be integers from 1 to ${MAX_PID}, not ${pid}`, 'pids');
      }
    }
    this.roots = roots;
    const stay = new Set<TrackedProcess>();
    for (const [pid, { process, rootPid }] of this.entries) {
      if (roots.has(pid) || roots.has(rootPid) || (process.parent !== undefined && stay.has(process.parent))) stay.add(process);
    }
    for (const entry of [...this.entries.values()]) if (!stay.has(entry.process)) this.remove(entry, 'left');
    this.outsiders.clear();
    this.discoveryDue = true;
    this.discoveredMs = Number.NEGATIVE_INFINITY;
    this.refreshedMs = Number.NaN;
    return undefined;
  }

  /** Reads every process's stat line, drops the ended and finds the new ones. */
  refresh(monotonicMs: number): void {
    if (monotonicMs === this.refreshedMs) return;
    this.refreshedMs = monotonicMs;
    this.readNewestId(monotonicMs);
    if (this.discoveryDue && monotonicMs - this.discoveredMs >= DISCOVER_EVERY_MS) this.discover(monotonicMs);
    for (const entry of this.entries.values()) {
      if (this.readStat(entry.stat, monotonicMs)) this.update(entry.process);
      else this.remove(entry, 'ended');
    }
  }

  /** The living processes of the scope. */
  *processes(): IterableIterator<TrackedProcess> {
    for (const entry of this.entries.values()) yield entry.process;
  }

  get size(): number {
    return this.entries.size;
  }

  close(): void {
    for (const entry of [...this.entries.values()]) this.remove(entry, 'left');
    this.newestIdFile.close();
  }

  private readNewestId(monotonicMs: number): void {
    this.scanner.begin(this.newestIdFile.readRecord(monotonicMs));
    this.scanner.skipFields(4);
    const newestId = this.scanner.integer();
    if (newestId < this.newestId) this.outsiders.clear();
    if (newestId < 0 || newestId !== this.newestId) this.discoveryDue = true;
    this.newestId = newestId;
  }

  private discover(monotonicMs: number): void {
    let names: string[];
    try {
      names = readdirSync(this.procRoot);
      this.failure = undefined;
    } catch (error) {
      this.failure = failureOf(this.procRoot, error);
      return;
    }
    this.discoveredMs = monotonicMs;
    this.discoveryDue = false;
    const unknown = this.readUnknown(names, monotonicMs);
    const seenBefore = new Set(this.entries.keys());
    // Children can have smaller pids than their parents once the ids wrapped: go round until nothing is added.
    for (let added = true; added;) {
      added = false;
      for (const [pid, parentPid] of unknown) {
        const parent = this.entries.get(parentPid);
        if (parent === undefined && !this.roots.has(pid)) continue;
        const countsFromZero = parent !== undefined && (seenBefore.has(parentPid) || parent.process.countsFromZero);
        this.add(pid, parent, countsFromZero);
        unknown.delete(pid);
        added = true;
      }
    }
    for (const pid of unknown.keys()) this.outsiders.add(pid);
  }

  /** @returns pid and parent of each process that is neither in scope nor known to be outside. */
  private readUnknown(names: readonly string[], monotonicMs: number): Map<number, number> {
    const unknown = new Map<number, number>();
    const listed = new Set<number>();
    for (const name of names) {
      const first = name.charCodeAt(0);
      if (first < 0x30 || first > 0x39) continue;
      const pid = Number(name);
      listed.add(pid);
      if (this.entries.has(pid) || this.outsiders.has(pid)) continue;
      const stat = new KeptFile(`${this.procRoot}/${name}/stat`);
      if (this.readStat(stat, monotonicMs)) unknown.set(pid, this.line.parentPid);
      stat.close();
    }
    for (const pid of this.outsiders) if (!listed.has(pid)) this.outsiders.delete(pid);
    for (const entry of [...this.entries.values()]) if (!listed.has(entry.process.pid)) this.remove(entry, 'ended');
    return unknown;
  }

  private add(pid: number, parent: Entry | undefined, countsFromZero: boolean): void {
    const folder = `${this.procRoot}/${pid}`;
    const process: TrackedProcess = {
      pid, folder, countsFromZero, status: 'alive', parent: parent?.process, ownTicks: 0, reapedTicks: 0, threadCount: 0,
    };
    this.entries.set(pid, { process, stat: new KeptFile(`${folder}/stat`), rootPid: this.roots.has(pid) ? pid : (parent?.rootPid ?? pid) });
  }

  private remove(entry: Entry, status: 'ended' | 'left'): void {
    entry.process.status = status;
    entry.stat.close();
    this.entries.delete(entry.process.pid);
    // Another process may get the number: it is no root unless the agent says so again.
    this.roots.delete(entry.process.pid);
  }

  private update(process: TrackedProcess): void {
    const { line } = this;
    process.ownTicks = Math.max(process.ownTicks, line.ownTicks);
    process.reapedTicks = Math.max(process.reapedTicks, line.reapedTicks);
    process.threadCount = line.threadCount;
    if (process.parent !== undefined && process.parent.pid !== line.parentPid) process.parent = this.entries.get(line.parentPid)?.process;
  }

  /** Parses proc_pid_stat(5) into `line`; the name may hold blanks and parentheses, hence from the last one on. */
  private readStat(stat: KeptFile, monotonicMs: number): boolean {
    const { scanner, line } = this;
    scanner.begin(stat.readRecord(monotonicMs));
    if (!scanner.more || !scanner.seekLast(CLOSE_PARENTHESIS)) return false;
    scanner.skipFields(1);
    line.parentPid = scanner.integer();
    scanner.skipFields(9);
    line.ownTicks = scanner.integer() + scanner.integer();
    line.reapedTicks = scanner.integer() + scanner.integer();
    scanner.skipFields(2);
    line.threadCount = scanner.integer();
    return line.threadCount >= 0;
  }
}
