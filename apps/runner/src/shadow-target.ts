/**
 * A shadow in this runner: a prepared thread that executes nothing and holds the state of a checkpoint.
 *
 * Invariants: T1. A part is gathered, checked and applied as one; a feed that breaks off in a delta leaves the state before
 * it. (A base is put in place as it comes: there the state before is gone either way.) T2. What is said to be held has the
 * digest that the source's checkpoint has.
 */
import type { Socket } from 'node:net';
import { isRefusal, refuse, type DurationMs, type Refusal, type Sha256 } from '@godwit/kernel';
import { followFeed, type FedPart } from '@godwit/bulk';
import type { RestoredMark, ShadowProgress, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { decodePartHead, PART_HEAD_BYTES } from '@godwit/snapshot';
import { HeldState } from './held-state.js';

const PIECE_BYTES = 1024 * 1024;

const NOTHING: ShadowProgress = { state: 'cut-off', k: 0, epoch: 0, digest: '', cursorSeq: 0, outN: 0, stateBytes: 0, ageMs: 0 };

export class ShadowTarget {
  private readonly state: HeldState;
  private progress: ShadowProgress = NOTHING;
  private socket: Socket | undefined;
  private following: Promise<void> = Promise.resolve();

  constructor(private readonly instance: ThreadInstance, program: ThreadProgram, private readonly tell: (progress: ShadowProgress) => void) {
    this.state = new HeldState(instance, program);
  }

  /** Takes what comes; a feed that was followed before ends. */
  async follow(socket: Socket, { maxBytes, silenceMs }: { readonly maxBytes: number; readonly silenceMs: DurationMs }): Promise<void> {
    await this.unfollow();
    this.socket = socket;
    const limits = { imageBytes: this.instance.image?.maximumBytes ?? maxBytes, restBytes: maxBytes };
    this.following = followFeed(socket, {
      part: (head, read) => this.part(head, read, limits),
      current: ({ k, epoch }) => { if (k === this.state.k) this.say({ state: 'following', epoch, ageMs: 0 }); },
    }, { maxBytes: maxBytes + limits.imageBytes * 2, silenceMs }).then((reason) => this.say({ state: 'cut-off', reason }), (error: Error) => this.say({ state: 'cut-off', reason: error.message }));
  }

  private async unfollow(): Promise<void> {
    this.socket?.destroy();
    this.socket = undefined;
    await this.following;
  }

  private say(change: Partial<ShadowProgress>): void {
    const { reason: _before, ...known } = this.progress;
    this.progress = this.state.k === 0 ? { ...NOTHING, epoch: known.epoch, ...change, k: 0 } : { ...known, ...change };
    this.tell(this.progress);
  }

  private async part(announced: FedPart, read: (bytes: number) => Promise<Buffer>, limits: { imageBytes: number; restBytes: number }): Promise<Refusal | undefined> {
    const head = decodePartHead(await read(PART_HEAD_BYTES), limits);
    if (isRefusal(head)) return head;
    if (head.k !== announced.k || PART_HEAD_BYTES + head.deltaBytes + head.restBytes !== announced.bytes) return refuse('malformed-message', 'shadow feed: a part that is not what was announced');
    const wasAt = this.state.k;
    const refused = head.parent === 0 ? await this.base(head, read) : await this.delta(head, read);
    if (refused) return refused;
    const digest = this.state.end(this.rest);
    if (isRefusal(digest)) return digest;
    if (digest !== announced.digest) {
      this.state.spoil();
      return refuse('digest-mismatch', `shadow: behind checkpoint ${wasAt} its state has the digest ${digest}, the source's checkpoint ${head.k} has ${announced.digest}`, 'digest');
    }
    const { k, epoch, cursorSeq, outN, ageMs } = announced;
    this.say({ state: 'following', k, epoch, digest, cursorSeq, outN, stateBytes: this.state.stateBytes, ageMs });
    return undefined;
  }
  private rest: Uint8Array = new Uint8Array(0);

  private async base(head: Parameters<HeldState['begin']>[0], read: (bytes: number) => Promise<Buffer>): Promise<Refusal | undefined> {
    const refused = await this.state.begin(head);
    if (refused) return refused;
    for (let left = head.deltaBytes; left > 0;) {
      const piece = await read(Math.min(left, PIECE_BYTES));
      left -= piece.length;
      const wrong = this.state.take(piece);
      if (wrong) return wrong;
    }
    this.rest = await gathered(read, head.restBytes);
    return undefined;
  }

  private async delta(head: Parameters<HeldState['begin']>[0], read: (bytes: number) => Promise<Buffer>): Promise<Refusal | undefined> {
    const delta = await gathered(read, head.deltaBytes);
    const rest = await gathered(read, head.restBytes);
    const refused = (await this.state.begin(head)) ?? this.state.check(delta) ?? this.state.take(delta);
    if (!refused) this.rest = rest;
    return refused;
  }

  /** Rebuilds the thread from what is held; the shadow is one no more, whatever comes of it. */
  async promote(k: number, digest: Sha256): Promise<RestoredMark | Refusal> {
    await this.unfollow();
    if (this.state.k !== k || this.progress.digest !== digest) return refuse('conflict', `the shadow holds checkpoint ${this.state.k}, not ${k} with the digest ${digest}`, 'k');
    return this.state.restore(digest);
  }

  end(): void {
    this.socket?.destroy();
  }
}

/** More than the reader holds at once; whether so many bytes may come was checked before. */
async function gathered(read: (bytes: number) => Promise<Buffer>, bytes: number): Promise<Buffer> {
  const whole = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; ) at += (await read(Math.min(bytes - at, PIECE_BYTES))).copy(whole, at);
  return whole;
}
