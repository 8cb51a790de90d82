/**
 * The few file operations that control groups need, and what their errors mean. Specs put a small model of the kernel
 * here, because a plain folder does not answer like cgroupfs (files appear with a folder, writes are refused).
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeSync } from 'node:fs';

/** All of them throw the system's error, with its `code`. Paths are absolute. */
export interface ControlFiles {
  read(path: string): string;
  /** Writes the whole value in one system call, as the kernel's parsers want it; never creates a file. */
  write(path: string, value: string): void;
  exists(path: string): boolean;
  /** Names of the folders inside. */
  folders(path: string): string[];
  makeFolder(path: string): void;
  removeFolder(path: string): void;
}

export const kernelFiles: ControlFiles = {
  read: (path) => readFileSync(path, 'utf8'),
  write(path, value) {
    const fd = openSync(path, constants.O_WRONLY | constants.O_TRUNC);
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  },
  exists: existsSync,
  folders: (path) => readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name),
  makeFolder: (path) => mkdirSync(path),
  removeFolder: rmdirSync,
};

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? 'unknown');

const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied', EPERM: 'permission denied', EROFS: 'the cgroup file system is mounted read-only', ENOENT: 'no such file',
  EBUSY: 'busy', EINVAL: 'the kernel refuses this value', ERANGE: 'the kernel refuses this value', ESRCH: 'no such process',
  EOPNOTSUPP: 'not supported for this kind of group', ENOSPC: 'the limit on the number of groups is reached', EAGAIN: 'the limit on the number of groups is reached',
};

/** One phrase such as `/sys/fs/cgroup/cpu.max: permission denied (EACCES)`. */
export function explain(path: string, error: unknown): string {
  const code = codeOf(error);
  const meaning = MEANINGS[code] ?? (error instanceof Error ? error.message : String(error));
  return `${path}: ${meaning} (${code})`;
}
