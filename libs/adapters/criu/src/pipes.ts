/**
 * The four named pipes of a thread. Named, because CRIU opens them again by their path in the target's own mount
 * namespace, and because this side can open both ends: what the program has not read yet is read back here while it
 * stands still, so nothing of a thread is ever inside a pipe when its state is taken.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

export const PIPE_NAMES = ['in', 'out', 'err', 'status'] as const;
export type PipeName = (typeof PIPE_NAMES)[number];

const CHUNK_BYTES = 65_536;
const AGAIN = ['EAGAIN', 'EWOULDBLOCK'];

/** A pipe holds at most 1 MiB for a program without privileges; a writer that goes on meanwhile must not keep us here. */
const MOST_CHUNKS = 64;

/** Reads what is there now. */
function drain(fd: number): Buffer {
  const parts: Buffer[] = [];
  while (parts.length < MOST_CHUNKS) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    try {
      const bytes = readSync(fd, chunk);
      if (bytes === 0) break;
      parts.push(chunk.subarray(0, bytes));
    } catch (error) {
      if (AGAIN.includes((error as NodeJS.ErrnoException).code ?? '')) break;
      throw error;
    }
  }
  return Buffer.concat(parts);
}

/** The input pipe: bytes go in order, as many as fit; the rest waits here. */
export class InputPipe {
  private readonly reader: number;
  private writer: number | undefined;
  private waiting: Buffer[] = [];
  private timer: NodeJS.Timeout | undefined;
  private ending = false;
  readonly inode: number;

  constructor(private readonly path: string, private readonly onWritten: () => void) {
    // The reading end first: a pipe without a reader cannot be opened for writing without blocking.
    this.reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    this.inode = fstatSync(this.reader).ino;
  }

  /** True when nothing waits to be written. */
  get idle(): boolean {
    return this.waiting.length === 0;
  }

  /** Calls `onWritten` when all of it is in the pipe. `end`: no more will come, the program sees the end of the file. */
  write(bytes: Buffer, end: boolean): void {
    if (this.writer === undefined) this.writer = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
    if (bytes.length > 0) this.waiting.push(bytes);
    this.ending ||= end;
    this.pump();
  }

  private pump(): void {
    this.pause();
    try {
      for (let head = this.waiting[0]; head; head = this.waiting[0]) {
        const bytes = writeSync(this.writer!, head);
        if (bytes === head.length) this.waiting.shift();
        else this.waiting[0] = head.subarray(bytes);
      }
    } catch (error) {
      if (!AGAIN.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      this.timer = setTimeout(() => this.pump(), 1);
      return;
    }
    if (this.ending) this.endOfFile();
    this.onWritten();
  }

  private endOfFile(): void {
    if (this.writer !== undefined) closeSync(this.writer);
    this.writer = undefined;
  }

  pause(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** While the program stands still: everything that it has not read, which is then no longer in the pipe. */
  takeBack(): Buffer {
    this.pause();
    const unread = Buffer.concat([drain(this.reader), ...this.waiting]);
    this.waiting = [];
    return unread;
  }

  get ended(): boolean {
    return this.ending;
  }

  close(): void {
    this.pause();
    this.waiting = [];
    this.endOfFile();
    closeSync(this.reader);
  }
}

/** A pipe that the program writes. This side holds a writing end too: the end of the program is no end of the file. */
export class OutputPipe {
  private readonly reader: number;
  private readonly holder: number;
  private readonly socket: Socket;
  private closed = false;

  constructor(path: string, private readonly onBytes: (bytes: Buffer) => void) {
    const open = (): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.reader = open();
    this.holder = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    // Not through a stream's own buffer: `drain` below must find everything that has not been told yet in the pipe.
    const take = (count: number, buffer: Uint8Array): boolean => {
      if (!this.closed) this.onBytes(Buffer.from(buffer.subarray(0, count)));
      return true;
    };
    this.socket = new Socket({ fd: open(), readable: true, writable: false, onread: { buffer: Buffer.alloc(CHUNK_BYTES), callback: take } });
    this.socket.on('error', () => this.close()); // nobody writes any more
    this.socket.resume();
  }

  /** Tells now what would be told soon. */
  drain(): void {
    if (this.closed) return;
    const bytes = drain(this.reader);
    if (bytes.length > 0) this.onBytes(bytes);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    closeSync(this.reader);
    closeSync(this.holder);
  }
}

export const pipePath = (folder: string, name: PipeName): string => join(folder, name);
