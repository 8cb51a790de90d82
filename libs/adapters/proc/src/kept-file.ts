/**
 * One file of /proc or /sys, opened once and read again and again at offset 0 into a kept buffer.
 *
 * Invariants:
 * 1. `read` never throws. What failed stands in `failure`, in words that a person can read.
 * 2. A file that is gone (`ENOENT`, `ESRCH`, `EACCES`) is not tried again before `RETRY_AFTER_MS`: a failing open costs ten
 *    times a read, because Node builds an exception for it.
 * 3. A descriptor of /proc/<pid>/… stays bound to that process. It answers `ESRCH` after its death even if the pid is
 *    used again, so an open file is also the process's identity.
 * All files of one thread of JavaScript share one buffer: parse before the next read.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const RETRY_AFTER_MS = 5_000;
const FIRST_BUFFER_BYTES = 64 * 1024;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

let sharedBuffer: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);

/** The bytes of the newest read, of whichever file. Valid until the next read. */
export const lastRead = (): Buffer => sharedBuffer;

/** What a failed system call means for a person, without the stack. */
export function failureOf(path: string, error: unknown): string {
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case 'ENOENT': return `${path}: no such file on this host`;
    case 'EACCES': case 'EPERM': return `${path}: permission denied`;
    case 'ESRCH': return `${path}: the process has ended`;
    case 'EMFILE': case 'ENFILE': return `${path}: too many open files (${code})`;
    case 'ENODATA': case 'EAGAIN': case 'EIO': case 'ENXIO': return `${path}: the sensor gives no value (${code})`;
    case 'EOPNOTSUPP': return `${path}: the kernel has this switched off (EOPNOTSUPP)`;
    default: return `${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export class KeptFile {
  readonly path: string;
  /** Why the newest read gave nothing; `undefined` after a good one. */
  failure: string | undefined;
  /** The system's code for `failure`, such as `ENOENT`. */
  failureCode: string | undefined;
  private fd = -1;
  private retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Reads a file that the kernel writes as one record (almost all of /proc/<pid> and /sys): one system call.
   * @returns the length in bytes within `lastRead()`, or -1 with `failure` set.
   */
  readRecord(monotonicMs: number): number {
    if (this.fd < 0 && !this.open(monotonicMs)) return -1;
    try {
      const length = readSync(this.fd, sharedBuffer, 0, sharedBuffer.length, 0);
      this.failure = undefined;
      return length;
    } catch (error) {
      this.fail(error, monotonicMs);
      return -1;
    }
  }

  /** Reads a file of many records (/proc/diskstats, /proc/net/dev, …), which the kernel hands out a page at a time. */
  readWhole(monotonicMs: number): number {
    if (this.fd < 0 && !this.open(monotonicMs)) return -1;
    try {
      let length = 0;
      for (;;) {
        const got = readSync(this.fd, sharedBuffer, length, sharedBuffer.length - length, length);
        if (got === 0) break;
        length += got;
        if (length === sharedBuffer.length && !growBuffer()) break;
      }
      this.failure = undefined;
      return length;
    } catch (error) {
      this.fail(error, monotonicMs);
      return -1;
    }
  }

  close(): void {
    if (this.fd < 0) return;
    const fd = this.fd;
    this.fd = -1;
    closeSync(fd);
  }

  private open(monotonicMs: number): boolean {
    if (monotonicMs < this.retryAtMs) return false;
    try {
      this.fd = openSync(this.path, 'r');
      return true;
    } catch (error) {
      this.fail(error, monotonicMs);
      return false;
    }
  }

  private fail(error: unknown, monotonicMs: number): void {
    this.failure = failureOf(this.path, error);
    this.failureCode = String((error as { code?: unknown }).code);
    this.retryAtMs = monotonicMs + RETRY_AFTER_MS;
    this.close();
  }
}

/** Reads a small file once, as text, or says why not. For facts, names and listings; not for the hot path. */
export function readOnce(path: string): { readonly text: string } | { readonly failure: string } {
  const file = new KeptFile(path);
  const length = file.readWhole(0);
  const failure = file.failure;
  const text = length < 0 ? '' : sharedBuffer.toString('utf8', 0, length);
  file.close();
  return failure === undefined ? { text } : { failure };
}

function growBuffer(): boolean {
  if (sharedBuffer.length >= MAX_FILE_BYTES) return false;
  const larger = Buffer.allocUnsafe(sharedBuffer.length * 2);
  sharedBuffer.copy(larger);
  sharedBuffer = larger;
  return true;
}
