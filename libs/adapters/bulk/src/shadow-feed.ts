/** The source's end of a shadow's feed: one message after the other, as fast as the other side takes them. */
import type { Socket } from 'node:net';
import { OperationError } from '@godwit/kernel';
import { ExactReader, GO } from './exact-reader.js';
import { encodeFeedHead, FEED_ACK, FEED_MAGIC, FEED_VERSION, type FeedHead } from './shadow-frames.js';

export class ShadowFeed {
  private drained: (() => void) | undefined;
  private closed = false;

  private constructor(private readonly socket: Socket, private readonly reader: ExactReader, private readonly onAck: (k: number) => void, private readonly onEnd: (reason: string) => void) {
    socket.on('drain', () => this.drained?.());
    reader.onFailure = () => {
      this.drained?.();
      this.end(reader.error?.message ?? 'it was closed');
    };
    void this.readAcks();
  }

  /** Waits for the receiver's "go". @throws OperationError when the connection fails or nothing comes in `timeoutMs`. */
  static async open(socket: Socket, options: { readonly timeoutMs: number; readonly onAck: (k: number) => void; readonly onEnd: (reason: string) => void }): Promise<ShadowFeed> {
    const first = new ExactReader(socket, options.timeoutMs);
    const go = await first.take(GO.length);
    first.close();
    if (!go.equals(GO)) throw new OperationError('malformed-message', 'shadow feed: the receiver did not say "go"', { effect: 'none' });
    const feed = new ShadowFeed(socket, new ExactReader(socket, undefined), options.onAck, options.onEnd);
    const prelude = Buffer.alloc(8);
    prelude.writeUInt32LE(FEED_MAGIC, 0);
    prelude.writeUInt32LE(FEED_VERSION, 4);
    await feed.write(prelude);
    return feed;
  }

  private async readAcks(): Promise<void> {
    try {
      while (!this.closed) {
        const ack = await this.reader.take(FEED_ACK.length + 8);
        if (!ack.subarray(0, FEED_ACK.length).equals(FEED_ACK)) return this.end('the receiver answered with something else');
        this.onAck(Number(ack.readBigUInt64LE(FEED_ACK.length)));
      }
    } catch (error) {
      this.end((error as Error).message);
    }
  }

  /** @param pieces what the head announces, not changed before this resolves. @throws OperationError */
  async send(head: FeedHead, pieces: Iterable<Uint8Array> = []): Promise<void> {
    await this.write(encodeFeedHead(head));
    for (const piece of pieces) if (piece.length > 0) await this.write(piece);
  }

  private async write(bytes: Uint8Array): Promise<void> {
    if (this.closed) throw this.gone();
    if (this.socket.write(bytes)) return;
    while (this.socket.writableNeedDrain && !this.closed) await new Promise<void>((resolve) => (this.drained = resolve));
    if (this.closed) throw this.gone();
  }
  private gone(): OperationError {
    return new OperationError('connection-lost', 'shadow feed: the connection is gone', { effect: 'unknown' });
  }

  private end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.reader.close();
    this.socket.on('error', () => undefined); // its end is known already
    this.socket.destroy();
    this.drained?.();
    this.onEnd(reason);
  }
  close(): void {
    this.end('it is fed no more');
  }
}
