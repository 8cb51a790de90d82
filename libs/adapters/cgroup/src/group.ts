/**
 * One control group of ours: made below our own group, emptied and removed at the end.
 * A group cannot be removed while a process is in it, and a process can fork while it is emptied: hence rounds, bounded.
 */
import { OperationError, refuse, type Refusal } from '@godwit/kernel';
import { codeOf, explain, type ControlFiles } from './control-files.js';

const EMPTYING_ROUNDS = 64;
const OUR_GROUP = /^godwit-.+-(\d+)$/;

export class Group {
  /** @param home folder of the group to which released processes go */
  constructor(readonly folder: string, readonly home: string, private readonly files: ControlFiles) {}

  /** @returns a `Refusal` when the folder exists already or may not be made. */
  static create(folder: string, home: string, files: ControlFiles): Group | Refusal {
    try {
      files.makeFolder(folder);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return refuse('conflict', `${folder}: this process has an open enforcer of that name already`, 'name');
      return refuse('unsupported', `no group can be made here: ${explain(folder, error)}`);
    }
    return new Group(folder, home, files);
  }

  has(file: string): boolean {
    return this.files.exists(`${this.folder}/${file}`);
  }

  read(file: string): string {
    return this.files.read(`${this.folder}/${file}`);
  }

  /** @throws the system's error. */
  write(file: string, value: string): void {
    this.files.write(`${this.folder}/${file}`, value);
  }

  /** @throws OperationError `not-found` when the process has ended. */
  admit(pid: number): void {
    moveProcess(this.files, pid, this.folder);
  }

  release(pid: number): void {
    if (!this.members().includes(pid)) return;
    try {
      moveProcess(this.files, pid, this.home);
    } catch (error) {
      if (!(error instanceof OperationError && error.code === 'not-found')) throw error;
    }
  }

  members(): number[] {
    return membersOf(this.files, this.folder);
  }

  /** @throws OperationError when processes cannot be moved or the folder stays busy; the next start removes it then. */
  remove(): void {
    removeGroup(this.files, this.folder, this.home);
  }
}

/** Process ids; in a threaded group (version 2), which does not list processes, thread ids: each stands for its process when moved. */
export function membersOf(files: ControlFiles, folder: string): number[] {
  let list: string;
  try {
    list = files.read(`${folder}/cgroup.procs`);
  } catch (error) {
    if (codeOf(error) !== 'EOPNOTSUPP' && codeOf(error) !== 'ENOTSUP') throw error;
    list = files.read(`${folder}/cgroup.threads`);
  }
  return list.split('\n').filter((line) => line !== '').map(Number);
}

function moveProcess(files: ControlFiles, pid: number, folder: string): void {
  const path = `${folder}/cgroup.procs`;
  try {
    files.write(path, String(pid));
  } catch (error) {
    if (codeOf(error) === 'ESRCH') throw new OperationError('not-found', `process ${pid} has ended`, { effect: 'none', cause: error });
    throw new OperationError('internal', `process ${pid} could not be moved: ${explain(path, error)}`, { effect: 'none', cause: error });
  }
}

/** Moves every process of a group to another. @returns whether the group is empty then. */
export function emptyInto(files: ControlFiles, folder: string, home: string): boolean {
  for (let round = 0; round < EMPTYING_ROUNDS; round += 1) {
    const members = membersOf(files, folder);
    if (members.length === 0) return true;
    for (const pid of members) {
      try {
        moveProcess(files, pid, home);
      } catch (error) {
        if (!(error instanceof OperationError && error.code === 'not-found')) throw error;
      }
    }
  }
  return false;
}

function removeGroup(files: ControlFiles, folder: string, home: string): void {
  let failure: unknown;
  for (let round = 0; round < EMPTYING_ROUNDS; round += 1) {
    try {
      if (emptyInto(files, folder, home)) {
        files.removeFolder(folder);
        return;
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      failure = error;
      if (codeOf(error) !== 'EBUSY') break;
    }
  }
  throw new OperationError('internal', `the group could not be removed: ${failure === undefined ? `${folder}: its processes keep forking` : explain(folder, failure)}`, {
    effect: 'unknown', cause: failure,
  });
}

/**
 * Removes the groups that agents left behind which have ended. Their processes go to `home`. Best effort: one that
 * cannot be removed is in nobody's way and is tried again at the next start.
 * @param isAlive whether a process id is in use
 * @returns the names of the groups removed
 */
export function removeLeftovers(files: ControlFiles, parent: string, home: string, isAlive: (pid: number) => boolean): string[] {
  const removed: string[] = [];
  for (const name of files.folders(parent)) {
    const pid = OUR_GROUP.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      removeGroup(files, `${parent}/${name}`, home);
      removed.push(name);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
  }
  return removed;
}
