/** The source's end of a live copy: writes what a copier gives, in slices that leave the event loop free. */
import type { Socket } from 'node:net';
import { OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import type { ImageCopier } from '@godwit/live-copy';
import { BLOCK_BYTES, type WrittenBlocks } from '@godwit/snapshot';
import { ExactReader, GO, write } from './exact-reader.js';
import { ACK, DIGEST, FRAME, frameHead, LIVE_MAGIC, LIVE_VERSION } from './live-frames.js';
import { Packing } from './packing.js';

/** Work in one turn of the event loop while the thread runs: its outputs and samples pass through the same loop. */
const SLICE_MS = 3;

export interface RoundSent {
  readonly imageBytes: number;
  readonly dirtyBytes: number;
  /** Of the delta; `wireBytes` is what went over the link for it. */
  readonly sentBytes: number;
  readonly wireBytes: number;
  readonly durationMs: number;
}

export class LiveSender {
  private round = 0;
  private announcedBytes = 0;
  private wireBytesTotal = 0;
  private readonly packing = new Packing();
  private drained: (() => void) | undefined;

  private constructor(private readonly socket: Socket, private readonly reader: ExactReader) {
    socket.on('drain', () => this.drained?.());
    reader.onFailure = () => this.drained?.();
  }

  /**
   * Waits for the receiver's "go". The whole copy must end within `timeoutMs`.
   * @throws OperationError when the connection fails or the time is up, here and in everything that follows.
   */
  static async open(socket: Socket, options: { readonly timeoutMs: number }): Promise<LiveSender | Refusal> {
    const reader = new ExactReader(socket, options.timeoutMs);
    const go = await reader.take(GO.length);
    if (!go.equals(GO)) {
      reader.close();
      return refuse('malformed-message', 'bulk stream: the receiver did not say "go"');
    }
    const head = Buffer.alloc(8);
    head.writeUInt32LE(LIVE_MAGIC, 0);
    head.writeUInt32LE(LIVE_VERSION, 4);
    await write(socket, head);
    return new LiveSender(socket, reader);
  }

  get wireBytes(): number {
    return this.wireBytesTotal;
  }

  /**
   * Sends one round; resolves when the target has all of it in place.
   * @param options `frozen`: the thread stands still, every moment counts, and nobody else needs this event loop;
   *   `stop`: breaks the round off between two pieces when it says so
   */
  async send(copier: ImageCopier, live: Uint8Array, options: { readonly frozen: boolean; readonly written?: WrittenBlocks | undefined; readonly stop?: () => boolean }): Promise<RoundSent> {
    const beginMs = performance.now();
    const wireBefore = this.wireBytesTotal;
    let dirtyBlocks = 0;
    let sentBytes = 0;
    if (live.length > this.announcedBytes) this.push([frameHead(FRAME.image, 0, live.length)]);
    this.announcedBytes = live.length;
    let sliceMs = beginMs;
    for (const { parts, bytes, blocks } of copier.round(live, options.written)) {
      dirtyBlocks += blocks;
      sentBytes += bytes;
      if (bytes > 0) await this.piece(parts, bytes);
      if (options.stop?.()) break;
      if (options.frozen || performance.now() - sliceMs < SLICE_MS) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      sliceMs = performance.now();
    }
    await this.endRound();
    return { imageBytes: live.length, dirtyBytes: dirtyBlocks * BLOCK_BYTES, sentBytes, wireBytes: this.wireBytesTotal - wireBefore, durationMs: performance.now() - beginMs };
  }

  private async piece(parts: readonly Uint8Array[], bytes: number): Promise<void> {
    const beginMs = performance.now();
    const wireBefore = this.wireBytesTotal;
    const packed = this.packing.pack(parts);
    const flows = packed ? this.push([frameHead(FRAME.packed, packed.length, bytes), packed]) : this.push([frameHead(FRAME.delta, bytes, 0), ...parts]);
    const waitsFromMs = performance.now();
    if (!flows) await this.drain();
    const endMs = performance.now();
    this.packing.sent(this.wireBytesTotal - wireBefore, endMs - beginMs, endMs - waitsFromMs);
  }

  /** @returns whether the socket takes more without waiting. */
  private push(parts: readonly Uint8Array[]): boolean {
    this.socket.cork();
    let flows = true;
    for (const part of parts) {
      this.wireBytesTotal += part.length;
      flows = this.socket.write(part);
    }
    this.socket.uncork();
    return flows || !this.socket.writableNeedDrain;
  }

  private async drain(): Promise<void> {
    while (this.socket.writableNeedDrain && !this.reader.error) await new Promise<void>((resolve) => (this.drained = resolve));
    // It knows of the deadline, of errors and of the end.
    if (this.reader.error) throw this.reader.error;
  }

  private async endRound(): Promise<void> {
    const round = ++this.round;
    this.push([frameHead(FRAME.round, 0, round)]);
    const answer = await this.reader.take(ACK.length + 4);
    if (!answer.subarray(0, ACK.length).equals(ACK) || answer.readUInt32LE(ACK.length) !== round) throw new OperationError('malformed-message', `bulk stream: round ${round} was not acknowledged`, { effect: 'unknown' });
  }

  /** After the last round, of the frozen thread: sends the small rest; answers with the digest of what the target holds. */
  async finish(rest: readonly Uint8Array[]): Promise<Sha256> {
    this.push([frameHead(FRAME.rest, rest.reduce((sum, part) => sum + part.length, 0), 0), ...rest]);
    const answer = await this.reader.take(DIGEST.length + 32);
    if (!answer.subarray(0, DIGEST.length).equals(DIGEST)) throw new OperationError('malformed-message', 'bulk stream: the target answered with no digest', { effect: 'unknown' });
    return answer.toString('hex', DIGEST.length) as Sha256;
  }

  /** Ends the copy; a target that has no digest yet throws away what it has. */
  close(): void {
    this.reader.close();
    this.socket.on('error', () => undefined); // whoever closes has its answer already
    this.socket.destroy();
  }
}
