/**
 * Are these images ones of *our* program? CRIU restores as root what images say: any user id, any capability, any file
 * that root may open. So, before a dump is sent and again before anything is restored:
 *  1. only kinds of image files that a program without privileges has; no mounts, network rules, control groups, ghosts;
 *  2. every process has the thread's own user id and not one capability;
 *  3. every open file is one that this user id could open by itself on this machine, for reading, or the thread's pipes.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DamagedImage, messageOf, numberOf, numbersOf, readEntries, readFields, type WireField } from './image-reader.js';

/** What a thread without open network, terminals, deleted files or own mounts has. */
const KINDS = [
  'inventory', 'pstree', 'files', 'seccomp', 'fifo-data', 'pipes-data', 'sk-queues', 'cpuinfo',
  ...['core', 'ids', 'mm', 'fs', 'fdinfo', 'pagemap', 'pagemap-shmem', 'pages', 'timens'].map((kind) => `${kind}-\\d{1,10}`),
];
const ALLOWED_NAME = new RegExp(`^(${KINDS.join('|')})\\.img$`);
export const isImageName = (name: string): boolean => ALLOWED_NAME.test(name);

export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}
export interface ImageOwner {
  readonly userId: number;
  /** Folder in which the thread's pipes appear. */
  readonly inside: string;
}

/** Kinds of open files, by number in `fdinfo.proto`; those that are not here are refused. */
const ALLOWED_FILES: Readonly<Record<number, string>> = { 1: 'file', 2: 'pipe', 3: 'fifo', 4: 'socket', 5: 'unix socket', 7: 'eventfd', 8: 'epoll', 9: 'signalfd', 17: 'timerfd', 18: 'memfd' };
const REFUSED_FILES: Readonly<Record<number, string>> = { 6: 'an eventfd of an old kind', 10: 'a packet socket', 11: 'a terminal', 12: 'a file watch', 13: 'a netlink socket', 14: 'a namespace', 15: 'a network tunnel', 16: 'a file of an unknown kind' };
const FIELD = { type: 1, reg: 3, unixSocket: 16, regFlags: 2, regName: 6, unixName: 11, taskCore: 3, taskState: 1, threadCore: 5, creds: 10 } as const;
/** `TASK_DEAD` and `TASK_ZOMBIE` of CRIU. */
const ENDED_STATES = [2, 6];
const CREDS = { userIds: [1, 3, 5, 7], groupIds: [2, 4, 6, 8], capabilities: [9, 10, 11, 12], groups: 14 } as const;
const ACCESS_MODE = 3;

/** @returns why these images are not to be used, or undefined. */
export function judgeImages(images: readonly ImageFile[], owner: ImageOwner): string | undefined {
  const strange = images.find(({ name }) => !isImageName(name));
  if (strange) return describeKind(strange.name);
  for (const needed of ['inventory.img', 'pstree.img', 'files.img']) {
    if (!images.some(({ name }) => name === needed)) return `${needed} is missing`;
  }
  for (const image of images) {
    try {
      const wrong = image.name.startsWith('core-') ? judgeCore(image.bytes, owner) : image.name === 'files.img' ? judgeFiles(image.bytes, owner) : undefined;
      if (wrong) return wrong;
    } catch (error) {
      if (!(error instanceof DamagedImage)) throw error;
      return `${image.name}: ${error.message}`;
    }
  }
  return images.some(({ name }) => name.startsWith('core-')) ? undefined : 'there is no process in it';
}

function describeKind(name: string): string {
  if (/^(ghost-file|remap-fpath)/.test(name)) return 'the program holds a deleted file open; files are not part of a thread';
  if (name.startsWith('tty')) return 'the program holds a terminal open';
  return `an image of the kind ${JSON.stringify(name.slice(0, 80))} is not one of a program without privileges`;
}

function judgeCore(bytes: Uint8Array, owner: ImageOwner): string | undefined {
  for (const entry of readEntries(bytes)) {
    const core = readFields(entry);
    if (hasEnded(core)) continue;
    const thread = messageOf(core, FIELD.threadCore);
    const creds = thread && messageOf(readFields(thread), FIELD.creds);
    if (!creds) return 'a process without credentials';
    const fields = readFields(creds);
    const ids = [...CREDS.userIds, ...CREDS.groupIds].map((number) => numberOf(fields, number));
    if (ids.some((id) => id !== owner.userId)) return `a process has another user or group id than the thread’s, ${owner.userId}: ${[...new Set(ids)].join(', ')}`;
    if (numbersOf(fields, CREDS.groups).length > 0) return 'a process belongs to further groups';
    // The bounding set counts too: what it does not hold can never be gained.
    if (CREDS.capabilities.some((number) => numbersOf(fields, number).some((word) => word !== 0))) return 'a process has capabilities';
  }
  return undefined;
}

/** A process that has ended and was not waited for yet: only its exit code travels. */
function hasEnded(core: readonly WireField[]): boolean {
  const task = messageOf(core, FIELD.taskCore);
  return task !== undefined && ENDED_STATES.includes(numberOf(readFields(task), FIELD.taskState) ?? 0);
}

function judgeFiles(bytes: Uint8Array, owner: ImageOwner): string | undefined {
  for (const entry of readEntries(bytes)) {
    const fields = readFields(entry);
    const type = numberOf(fields, FIELD.type) ?? 0;
    if (!(type in ALLOWED_FILES)) return `the program holds open ${REFUSED_FILES[type] ?? `a file of kind ${type}`}, which cannot travel`;
    const reg = messageOf(fields, FIELD.reg);
    const wrong = reg && judgeFile(readFields(reg), owner);
    if (wrong) return wrong;
    const socket = messageOf(fields, FIELD.unixSocket);
    const name = socket && messageOf(readFields(socket), FIELD.unixName);
    if (name && name.length > 0) return 'the program holds open a unix socket that has a name in the file system, which cannot travel';
  }
  return undefined;
}

function judgeFile(fields: readonly WireField[], owner: ImageOwner): string | undefined {
  const name = new TextDecoder().decode(messageOf(fields, FIELD.regName) ?? new Uint8Array(0));
  const mode = (numberOf(fields, FIELD.regFlags) ?? 0) & ACCESS_MODE;
  if (!name.startsWith('/') || name.split('/').includes('..') || name.includes('\0')) return `an open file has the name ${JSON.stringify(name.slice(0, 200))}`;
  if (dirname(name) === owner.inside) return undefined; // the pipes, and nothing else can be there
  return everybodyMayOpen(name, mode !== 0);
}

/** Devices that hold nothing, so that writing to them loses nothing. */
const HARMLESS_DEVICES = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom'];

function everybodyMayOpen(name: string, forWriting: boolean): string | undefined {
  if (HARMLESS_DEVICES.includes(name)) return undefined;
  if (/^\/(dev|proc|sys)\//.test(name)) return `the program holds ${name} open, which is this machine’s own`;
  if (forWriting) return `the program holds ${name} open for writing; files are not part of a thread`;
  try {
    const real = realpathSync(name);
    if ((statSync(real).mode & 0o004) === 0) return `${name} is not readable for everybody`;
    for (let folder = dirname(real); folder !== '/'; folder = dirname(folder)) {
      if ((statSync(folder).mode & 0o001) === 0) return `${name} lies in a folder that is not open for everybody`;
    }
    return undefined;
  } catch (error) {
    return `${name} is not here (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`;
  }
}
