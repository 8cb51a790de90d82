/**
 * Feeds one shadow: every checkpoint that is durable, in order; one that falls too far behind gets the newest state anew.
 *
 * Invariants: F1. Nothing is sent before it is durable: a shadow holds only states whose manifests are in the journal.
 * F2. A delta is sent only behind the checkpoint that it was made against; else the whole state is. F3. What waits for a
 * slow shadow is bounded: beyond that it is dropped, and F2 does the rest.
 */
import type { Socket } from 'node:net';
import { ShadowFeed } from '@godwit/bulk';
import type { FeedProgress } from '@godwit/runtime';
import type { CheckpointSource, HeldCheckpoint } from './checkpoint-source.js';

const GO_MS = 10_000;
/** Bytes that may wait for a slow shadow, and parts. */
const MOST_WAITING_BYTES = 32 * 1024 * 1024;
const MOST_WAITING = 64;

interface Waiting {
  readonly at: HeldCheckpoint;
  readonly epoch: number;
  readonly parent: number;
  readonly bytes: Buffer;
}

export class ShadowSource {
  private feed: ShadowFeed | undefined;
  private readonly waiting: Waiting[] = [];
  /** What the shadow holds when all that was sent has come. */
  private sentK = 0;
  private ackedK = 0;
  /** Nobody but a whole state can help. */
  private astray = true;
  private currentK = 0;
  private newestK = 0;
  private ended = false;
  private wake: () => void = () => undefined;

  constructor(socket: Socket, private readonly source: CheckpointSource, private durable: { k: number; epoch: number }, private readonly tell: (progress: FeedProgress) => void) {
    ShadowFeed.open(socket, {
      timeoutMs: GO_MS,
      onAck: (k) => {
        this.ackedK = k;
        this.tell({ state: 'following', k });
      },
      onEnd: (reason) => this.over(reason),
    }).then((feed) => this.run(feed)).catch((error: Error) => {
      this.over(error.message);
      socket.destroy();
    });
  }

  /** Checkpoint `k` is in the journal; or it has been, and nothing has happened since. */
  isDurable(k: number, epoch: number): void {
    if (this.ended) return;
    this.durable = { k, epoch };
    const { held: at, lastDelta } = this.source;
    if (k === this.newestK || at?.k !== k) this.currentK = k;
    else if (lastDelta?.k === k) {
      this.waiting.push({ ...lastDelta, at, epoch });
      const bytes = this.waiting.reduce((sum, { bytes: part }) => sum + part.length, 0);
      if (this.waiting.length > MOST_WAITING || bytes > Math.max(MOST_WAITING_BYTES, lastDelta.bytes.length)) this.lose(); // F3
    }
    this.newestK = k;
    this.wake();
  }

  private lose(): void {
    this.waiting.length = 0;
    this.astray = true;
  }

  private async run(feed: ShadowFeed): Promise<void> {
    this.feed = feed;
    if (this.ended) return feed.close();
    while (!this.ended) {
      const next = this.waiting.shift();
      if (this.astray) {
        if (await this.sendWhole(feed)) continue;
        if (next) continue; // the next durable one brings the private copy along
      } else if (next && next.at.k > this.sentK) {
        if (next.parent === this.sentK) await this.sendPart(feed, next);
        else this.lose(); // F2
        continue;
      } else if (next) continue;
      else if (this.currentK === this.sentK && this.currentK > 0) {
        this.currentK = 0;
        await feed.send({ type: 'current', k: this.sentK, epoch: this.durable.epoch });
        continue;
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private async sendPart(feed: ShadowFeed, { at, epoch, bytes }: Waiting): Promise<void> {
    await feed.send(this.headOf(at, epoch, bytes.length), [bytes]);
    this.sentK = at.k;
  }

  /** The private copy as a base, if that is a durable checkpoint (F1). @returns whether it was sent */
  private async sendWhole(feed: ShadowFeed): Promise<boolean> {
    const { k, epoch } = this.durable;
    if (this.source.held?.k !== k) return false;
    const whole = this.source.keepWhole();
    if (!whole) return false;
    try {
      this.astray = false;
      await feed.send(this.headOf(whole.at, epoch, whole.bytes), pieces(whole));
      this.sentK = k;
      return true;
    } finally {
      whole.kept.close();
    }
  }

  private headOf({ k, cursorSeq, outN, digest, frozenAtMs }: HeldCheckpoint, epoch: number, bytes: number) {
    return { type: 'part', k, epoch, cursorSeq, outN, digest, bytes, ageMs: Math.max(0, performance.now() - frozenAtMs) } as const;
  }

  private over(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.waiting.length = 0;
    this.wake();
    this.tell({ state: 'ended', k: this.ackedK, reason });
  }

  end(): void {
    this.feed?.close();
    this.over('it is fed no more');
  }
}

function* pieces({ head, kept, rest }: NonNullable<ReturnType<CheckpointSource['keepWhole']>>): Generator<Uint8Array, void, void> {
  yield head;
  yield* kept.pieces();
  for (const part of rest) yield part;
}

