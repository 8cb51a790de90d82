/**
 * Where our own process stands in the control groups: for each controller, the version and the folder of our own group,
 * from /proc/self/mountinfo (what is mounted where) and /proc/self/cgroup (our path in each hierarchy).
 * A mount may show only a part of a hierarchy (containers): its root, field 4 of mountinfo, is taken off our path.
 */
import { refuse, type Refusal } from '@godwit/kernel';
import { explain, type ControlFiles } from './control-files.js';

/** Our own group in the hierarchy that has the controller. */
export interface OwnGroup {
  readonly version: 1 | 2;
  readonly folder: string;
}

interface Mount {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly shownRoot: string;
  readonly mountPoint: string;
}

/**
 * @param root prefix of all paths: '' for the machine, a folder for a made-up tree
 * @returns controller to group; the key `''` is the v2 hierarchy itself, whose controllers are listed in its files
 */
export function findOwnGroups(root: string, files: ControlFiles): ReadonlyMap<string, OwnGroup> | Refusal {
  let mounts: readonly Mount[];
  let memberships: string;
  const mountinfo = `${root}/proc/self/mountinfo`;
  const membership = `${root}/proc/self/cgroup`;
  try {
    mounts = parseMounts(files.read(mountinfo));
  } catch (error) {
    return refuse('unsupported', explain(mountinfo, error));
  }
  try {
    memberships = files.read(membership);
  } catch (error) {
    return refuse('unsupported', explain(membership, error));
  }
  const groups = new Map<string, OwnGroup>();
  for (const line of memberships.split('\n')) {
    const match = /^(\d+):([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const [, id = '', controllers = '', path = ''] = match;
    const version = id === '0' && controllers === '' ? 2 : 1;
    for (const controller of controllers.split(',')) {
      for (const mount of mounts) {
        if (mount.version !== version || (version === 1 && !mount.controllers.includes(controller))) continue;
        const shown = shownPath(path, mount.shownRoot);
        if (shown !== undefined && !groups.has(controller)) groups.set(controller, { version, folder: root + mount.mountPoint + shown });
      }
    }
  }
  if (groups.size === 0) return refuse('unsupported', 'no control group file system that shows our own group is mounted');
  return groups;
}

/** Our path below the mount point, with a leading slash, empty at its top; `undefined` if the mount does not show it. */
function shownPath(path: string, shownRoot: string): string | undefined {
  if (path.split('/').includes('..')) return undefined;
  const below = shownRoot === '/' ? path : path === shownRoot ? '/' : path.startsWith(`${shownRoot}/`) ? path.slice(shownRoot.length) : undefined;
  return below === '/' ? '' : below;
}

/** Format in proc_pid_mountinfo(5): id parent dev root mountpoint options [tags…] - type source superOptions. */
function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , shownRoot, mountPoint] = before.split(' ');
    const [type, , superOptions = ''] = after.split(' ');
    if (shownRoot === undefined || mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    mounts.push({
      version: type === 'cgroup2' ? 2 : 1, controllers: superOptions.split(','),
      shownRoot: unescapeOctal(shownRoot), mountPoint: unescapeOctal(mountPoint),
    });
  }
  return mounts;
}

const unescapeOctal = (text: string): string => text.replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
