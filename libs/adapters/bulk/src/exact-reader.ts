/** What both kinds of bulk stream share: the receiver's "go", and reading exact numbers of bytes from a socket. */
import type { Socket } from 'node:net';
import { OperationError } from '@godwit/kernel';

/** The first bytes on the wire: the receiving runner holds the socket now. */
export const GO = Buffer.from('GO\n\n');
const READ_AHEAD_BYTES = 2 * 1024 * 1024;

/** Reads exact numbers of bytes from a socket; ends with the socket's error, its end, or the deadline. */
export class ExactReader {
  private chunks: Buffer[] = [];
  private available = 0;
  private wanted = 0;
  private wake: (() => void) | undefined;
  private failure: Error | undefined;
  /** Called when nothing more can be read; for whoever waits for something else on the same socket. */
  onFailure: () => void = () => undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs for all that is read; undefined: for ever */
  constructor(private readonly socket: Socket, timeoutMs: number | undefined) {
    this.timer = timeoutMs === undefined ? undefined : setTimeout(() => this.fail(new OperationError('timeout', `snapshot stream: not finished within ${timeoutMs} ms`, { effect: 'unknown' })), timeoutMs);
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.available += chunk.length;
      if (this.available >= this.wanted) this.wake?.();
      if (this.available > READ_AHEAD_BYTES) socket.pause();
    });
    const lost = (cause?: Error): void => this.fail(new OperationError('connection-lost', `snapshot stream: ${cause ? cause.message : 'the other side closed it'}`, { effect: 'unknown', cause }));
    socket.on('error', lost);
    socket.on('close', () => lost());
    socket.resume();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.onFailure();
    this.wake?.();
  }

  get error(): Error | undefined {
    return this.failure;
  }

  async take(bytes: number): Promise<Buffer> {
    if (this.available < bytes) {
      this.wanted = bytes;
      this.socket.resume();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        if (this.failure) resolve();
      });
      this.wake = undefined;
    }
    if (this.available < bytes) throw this.failure ?? new Error('woken without data');
    const all = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    const rest = all.subarray(bytes);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.available = rest.length;
    return all.subarray(0, bytes);
  }

  close(): void {
    clearTimeout(this.timer);
    this.socket.removeAllListeners('data');
  }
}

export const write = (socket: Socket, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(new OperationError('connection-lost', `snapshot stream: ${error.message}`, { effect: 'unknown', cause: error })) : resolve())));
