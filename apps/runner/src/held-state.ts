/**
 * A state that stands in this process without being executed: built of the parts of a checkpoint, brought forward by
 * deltas, and at last made into the thread. Used by a restore, which has all parts at once, and by a shadow, which gets
 * them one by one.
 *
 * Invariants: S1. `k` is 0 unless the state of checkpoint `k` stands here whole. S2. A delta is taken only upon the very
 * checkpoint that it was made against. S3. What is hashed is what stands here, not what came.
 */
import { isRefusal, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { nodeImagePort } from '@godwit/bulk';
import { ImageTarget } from '@godwit/live-copy';
import type { RestoredMark, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { BLOCK_BYTES, changedBlocks, decodeSnapshot, encodeSnapshot, flatSnapshot, type PartHead } from '@godwit/snapshot';
import { sha256, utf8 } from '@godwit/shell/platform';
import { markOf } from './copy-source.js';

const ZERO = Buffer.alloc(BLOCK_BYTES);

/** Without touching memory that is zero already: it may never have been taken from the system. */
function clear(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    if (!nodeImagePort.equal(bytes, at, ZERO, 0, BLOCK_BYTES)) bytes.fill(0, at, at + BLOCK_BYTES);
  }
}

export class HeldState {
  /** The checkpoint whose state this is; 0 for none. */
  k = 0;
  private target = new ImageTarget(nodeImagePort.hash);
  private image: Uint8Array = new Uint8Array(0);
  private rest: Uint8Array = new Uint8Array(0);
  private form: PartHead['form'] = 'image';
  private taking: PartHead | undefined;

  constructor(private readonly instance: ThreadInstance, private readonly program: ThreadProgram) {}

  get stateBytes(): number {
    return this.image.length + this.rest.length;
  }

  /** The next part: a base, or the delta that follows. Refused without a change where it does not fit. */
  async begin(head: PartHead): Promise<Refusal | undefined> {
    if (head.parent !== 0 && head.parent !== this.k) return refuse('conflict', `checkpoint ${head.k} is a delta upon ${head.parent}, and ${this.k} is held`, 'parent');
    if ((head.form === 'image') !== (this.instance.image !== undefined) || (head.parent !== 0 && head.imageBytes < this.image.length)) return refuse('snapshot-damaged', 'checkpoint part: it does not fit this runtime', 'form');
    if (head.parent === 0) {
      this.k = 0;
      if (this.instance.image && head.imageBytes < this.image.length) return refuse('conflict', 'the image that stands here is larger than the checkpoint’s: a new thread must be prepared for it', 'imageBytes');
      this.target = new ImageTarget(nodeImagePort.hash);
    }
    const room = await this.room(Math.max(head.imageBytes, this.image.length));
    if (isRefusal(room)) return room;
    if (head.parent === 0) clear(room);
    this.image = room;
    this.target.use(room);
    this.target.begin();
    this.form = head.form;
    this.taking = head;
    return undefined;
  }

  private async room(bytes: number): Promise<Uint8Array | Refusal> {
    const live = this.instance.image;
    if (live) {
      const staged = await live.stage(bytes);
      return isRefusal(staged) ? staged : staged.subarray(0, bytes);
    }
    if (bytes <= this.image.length) return this.image;
    const larger = new Uint8Array(bytes);
    larger.set(this.image);
    return larger;
  }

  /** Is this delta whole and well formed? Changes nothing. */
  check(delta: Uint8Array): Refusal | undefined {
    const blocks = changedBlocks(delta, this.image.length / BLOCK_BYTES);
    return isRefusal(blocks) ? blocks : undefined;
  }

  /** Bytes of the delta; from the first on the state is that of no checkpoint until `end`. */
  take(bytes: Uint8Array): Refusal | undefined {
    this.k = 0;
    return this.target.take(bytes);
  }

  /** All of the part has come. @returns the digest of the state that stands here now. */
  end(rest: Uint8Array): Sha256 | Refusal {
    const { taking } = this;
    if (!taking) throw new Error('no part was begun');
    this.taking = undefined;
    const digest = this.target.stateDigest([rest], sha256);
    if (isRefusal(digest)) return digest;
    this.rest = rest;
    this.k = taking.k;
    return digest;
  }

  /** It is of no use: somebody else's digest says so. */
  spoil(): void {
    this.k = 0;
  }

  /** Makes it the thread, frozen, and takes it again from there: the digest is that of what will run. */
  async restore(expected: Sha256): Promise<RestoredMark | Refusal> {
    const rebuilt = this.form === 'image' ? await this.restoreImage() : await this.restoreFlat();
    if (isRefusal(rebuilt)) return rebuilt;
    if (rebuilt.digest !== expected) return refuse('digest-mismatch', `the rebuilt state has the digest ${rebuilt.digest}, its checkpoint ${expected}`, 'digest');
    return rebuilt;
  }

  private async restoreImage(): Promise<RestoredMark | Refusal> {
    const live = this.instance.image!;
    const snapshot = this.decoded(this.rest);
    if (isRefusal(snapshot)) return snapshot;
    const taken = (await live.restore(snapshot)) ?? (await live.rest());
    if (isRefusal(taken)) return taken;
    const digest = this.target.stateDigest(encodeSnapshot({ ...taken, pendingOutputs: snapshot.pendingOutputs }, utf8), sha256);
    return isRefusal(digest) ? digest : { ...markOf(snapshot), digest, bytes: this.stateBytes, pendingOutputs: snapshot.pendingOutputs };
  }

  private async restoreFlat(): Promise<RestoredMark | Refusal> {
    const bytes = flatSnapshot(this.image, this.rest);
    if (isRefusal(bytes)) return bytes;
    const snapshot = this.decoded(bytes);
    if (isRefusal(snapshot)) return snapshot;
    const taken = (await this.instance.restore(snapshot)) ?? (await this.instance.snapshot());
    if (isRefusal(taken)) return taken;
    const again = Buffer.concat(encodeSnapshot({ ...taken, pendingOutputs: snapshot.pendingOutputs }, utf8));
    if (!again.equals(bytes)) return refuse('digest-mismatch', 'the rebuilt state is another than that of the checkpoint', 'digest');
    const digest = this.target.stateDigest([this.rest], sha256);
    return isRefusal(digest) ? digest : { ...markOf(snapshot), digest, bytes: this.stateBytes, pendingOutputs: snapshot.pendingOutputs };
  }

  private decoded(bytes: Uint8Array): ReturnType<typeof decodeSnapshot> {
    const snapshot = decodeSnapshot(bytes, utf8);
    if (isRefusal(snapshot) || snapshot.thread === this.program.thread) return snapshot;
    return refuse('snapshot-damaged', `snapshot: it is of thread ${snapshot.thread}, not of ${this.program.thread}`, 'thread');
  }
}
