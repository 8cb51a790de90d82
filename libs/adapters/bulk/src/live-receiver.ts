/**
 * The target's end of a live copy. Raw blocks go from the socket's buffers straight to their place in the image; sizes
 * are checked before memory is taken; the first thing that does not fit ends it.
 */
import type { Socket } from 'node:net';
import { isRefusal, OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import type { ImageTarget } from '@godwit/live-copy';
import { GO, write } from './exact-reader.js';
import { ACK, DIGEST, FRAME, FRAME_HEAD_BYTES, LIVE_MAGIC, LIVE_VERSION, MOST_FRAME_BYTES } from './live-frames.js';
import { unpack } from './packing.js';

export interface LiveSink {
  readonly target: ImageTarget;
  /** The image shall have so many bytes. */
  resize(bytes: number): Promise<void | Refusal>;
  /** The last part: rebuilds the state, and answers with the digest of what is held now. */
  finish(rest: Uint8Array): Promise<Sha256 | Refusal>;
  /** A round is in its place. */
  onRound?(round: number): void;
}
export interface LiveLimits {
  readonly maxImageBytes: number;
  readonly maxRestBytes: number;
  /** For the whole copy. */
  readonly timeoutMs: number;
  /** Longest silence: a sender whose thread waits for its freeze still sends rounds. */
  readonly idleMs: number;
}

interface Frame {
  readonly kind: number;
  readonly bytes: number;
  readonly value: number;
  /** Where the content is gathered, unless it is taken as it comes. */
  readonly content: Uint8Array | undefined;
}

const PRELUDE_BYTES = 8;
const malformed = (what: string): Refusal => refuse('malformed-message', `bulk stream: ${what}`);

class Receiver {
  private readonly small = Buffer.alloc(FRAME_HEAD_BYTES);
  private smallFilled = 0;
  private begun = false;
  private frame: Frame | undefined;
  private frameFilled = 0;
  private imageBytes = 0;
  private round = 0;
  private roundOpen = false;
  private chunks: Buffer[] = [];
  private working = false;
  private ended = false;
  private readonly deadline: NodeJS.Timeout;
  private idle: NodeJS.Timeout;

  constructor(private readonly socket: Socket, private readonly sink: LiveSink, private readonly limits: LiveLimits, private readonly settle: (result: Sha256 | Refusal | OperationError) => void) {
    this.deadline = setTimeout(() => this.fail('timeout', `not finished within ${limits.timeoutMs} ms`), limits.timeoutMs);
    this.idle = this.idleTimer();
    socket.on('error', (error) => this.fail('connection-lost', error.message));
    socket.on('close', () => this.fail('connection-lost', 'the other side closed it'));
    socket.on('data', (chunk: Buffer) => {
      this.idle.refresh();
      this.chunks.push(chunk);
      void this.work();
    });
  }

  private idleTimer(): NodeJS.Timeout {
    return setTimeout(() => this.fail('timeout', `nothing came for ${this.limits.idleMs} ms`), this.limits.idleMs);
  }
  private fail(code: 'timeout' | 'connection-lost', why: string): void {
    this.end(new OperationError(code, `bulk stream: ${why}`, { effect: 'unknown' }));
  }
  private end(result: Sha256 | Refusal | OperationError): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.deadline);
    clearTimeout(this.idle);
    this.chunks = [];
    this.socket.removeAllListeners('data');
    this.settle(result);
  }

  /** One chunk after the other; while a frame has to be waited for, the socket is not read. */
  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    try {
      for (let chunk = this.chunks.shift(); chunk !== undefined && !this.ended; chunk = this.chunks.shift()) {
        const result = await this.chunk(chunk);
        if (result !== undefined) return this.end(result);
      }
    } catch (error) {
      this.end(error instanceof OperationError ? error : new OperationError('internal', `bulk stream: ${(error as Error).message}`, { effect: 'none', cause: error }));
    } finally {
      this.working = false;
    }
  }

  private async chunk(chunk: Buffer): Promise<Sha256 | Refusal | undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (!this.frame) {
        const wanted = this.begun ? FRAME_HEAD_BYTES : PRELUDE_BYTES;
        const copied = chunk.copy(this.small, this.smallFilled, at, at + wanted - this.smallFilled);
        this.smallFilled += copied;
        at += copied;
        if (this.smallFilled < wanted) return undefined;
        this.smallFilled = 0;
        const refused = this.begun ? this.openFrame() : this.prelude();
        if (refused) return refused;
      } else {
        const bytes = chunk.subarray(at, at + this.frame.bytes - this.frameFilled);
        const refused = this.content(this.frame, bytes);
        if (refused) return refused;
        this.frameFilled += bytes.length;
        at += bytes.length;
      }
      if (!this.frame || this.frameFilled < this.frame.bytes) continue;
      const frame: Frame = this.frame;
      this.frame = undefined;
      const result = frame.kind === FRAME.delta ? this.endDelta() : await this.paused(() => this.endFrame(frame));
      if (result !== undefined) return result;
    }
    return undefined;
  }

  private async paused<T>(work: () => Promise<T>): Promise<T> {
    this.socket.pause();
    try {
      return await work();
    } finally {
      if (!this.ended) this.socket.resume();
    }
  }

  private prelude(): Refusal | undefined {
    if (this.small.readUInt32LE(0) !== LIVE_MAGIC) return malformed('does not begin with "GDWL"');
    if (this.small.readUInt32LE(4) !== LIVE_VERSION) return malformed(`version ${this.small.readUInt32LE(4)} is not known here (${LIVE_VERSION} is)`);
    this.begun = true;
    return undefined;
  }

  private openFrame(): Refusal | undefined {
    const kind = this.small.readUInt32LE(0);
    const bytes = this.small.readUInt32LE(4);
    const value = Number(this.small.readBigUInt64LE(8));
    const wrong = this.checkFrame(kind, bytes, value);
    if (wrong) return wrong;
    const gathered = kind === FRAME.packed || kind === FRAME.rest;
    this.frame = { kind, bytes, value, content: gathered ? new Uint8Array(bytes) : undefined };
    this.frameFilled = 0;
    if ((kind === FRAME.delta || kind === FRAME.packed) && !this.roundOpen) {
      this.roundOpen = true;
      this.sink.target.begin();
    }
    return undefined;
  }

  private checkFrame(kind: number, bytes: number, value: number): Refusal | undefined {
    const { maxImageBytes, maxRestBytes } = this.limits;
    switch (kind) {
      case FRAME.image:
        if (value > maxImageBytes) return refuse('payload-too-large', `bulk stream: an image of ${value} bytes announced, at most ${maxImageBytes} are allowed`);
        return bytes !== 0 || value < this.imageBytes || value % 4_096 !== 0 ? malformed(`an image of ${value} bytes after one of ${this.imageBytes}`) : undefined;
      case FRAME.delta: return bytes === 0 || bytes > MOST_FRAME_BYTES ? malformed(`a piece of ${bytes} bytes`) : undefined;
      case FRAME.packed: return bytes === 0 || bytes >= value || value > MOST_FRAME_BYTES ? malformed(`a piece of ${bytes} bytes that unpacks to ${value}`) : undefined;
      case FRAME.round: return bytes !== 0 || value !== this.round + 1 ? malformed(`the end of round ${value} after round ${this.round}`) : undefined;
      case FRAME.rest:
        if (bytes > maxRestBytes) return refuse('payload-too-large', `bulk stream: a rest of ${bytes} bytes announced, at most ${maxRestBytes} are allowed`);
        return bytes === 0 || this.roundOpen ? malformed('a rest before the end of its round') : undefined;
      default: return malformed(`a frame of kind ${kind}, which is not known`);
    }
  }

  private content(frame: Frame, bytes: Uint8Array): Refusal | undefined {
    if (!frame.content) return this.sink.target.take(bytes);
    frame.content.set(bytes, this.frameFilled);
    return undefined;
  }

  private endDelta(): Refusal | undefined {
    return this.sink.target.atRest ? undefined : malformed('a piece ends inside a record');
  }

  private async endFrame(frame: Frame): Promise<Sha256 | Refusal | undefined> {
    switch (frame.kind) {
      case FRAME.image:
        this.imageBytes = frame.value;
        return (await this.sink.resize(frame.value)) ?? undefined;
      case FRAME.packed: {
        const raw = unpack(frame.content!, frame.value);
        return isRefusal(raw) ? raw : this.sink.target.take(raw) ?? this.endDelta();
      }
      case FRAME.round: {
        this.round = frame.value;
        this.roundOpen = false;
        const answer = Buffer.concat([ACK, Buffer.alloc(4)]);
        answer.writeUInt32LE(frame.value >>> 0, ACK.length);
        this.socket.write(answer);
        this.sink.onRound?.(frame.value);
        return undefined;
      }
      default: {
        const digest = await this.sink.finish(frame.content!);
        if (isRefusal(digest)) return digest;
        await write(this.socket, Buffer.concat([DIGEST, Buffer.from(digest, 'hex')]));
        return digest;
      }
    }
  }
}

/**
 * Says "go" and takes one live copy. Resolves with the digest that was answered to the source.
 * @throws OperationError when the connection fails, falls silent, or the time is up.
 */
export function receiveLive(socket: Socket, sink: LiveSink, limits: LiveLimits): Promise<Sha256 | Refusal> {
  return new Promise((resolve, reject) => {
    new Receiver(socket, sink, limits, (result) => (result instanceof OperationError ? reject(result) : resolve(result)));
    socket.write(GO);
    socket.resume();
  });
}
