/**
 * The digest of a state of which one section, the image, is large: a tree over the image's blocks that is kept as blocks
 * change, so that a freeze hashes what changed and not what is there.
 *
 *   leaf    SHA-256 of a block of 4 KiB; 32 zeros for a block of zeros (untouched memory costs nothing)
 *   group   SHA-256 of 128 leaves (32 zeros when all of them are)
 *   root    SHA-256 of "godwit image\n" · the groups, up to the last that is not all zero
 *   state   SHA-256 of "godwit state\n" · root · the encoded snapshot with the image's section empty
 *
 * The image's length is not in it: zeros behind the end make no difference, and where a length matters it stands in the
 * rest. It says what the state *is*, not how it came there: a live copy, a stop-and-copy and a shadow of the same state have
 * the same digest. A checkpoint's digest stays that of its bytes: it is what a reader of Redis can check without an image.
 */
import type { Sha256, Sha256Of } from '@godwit/kernel';
import { BLOCK_BYTES } from './delta.js';

/** SHA-256 of `bytes[from, to)`, 32 bytes, written to `out` at `at`. */
export type HashInto = (bytes: Uint8Array, from: number, to: number, out: Uint8Array, at: number) => void;

const DIGEST_BYTES = 32;
const GROUP_LEAVES = 128;
const GROUP_BYTES = GROUP_LEAVES * DIGEST_BYTES;
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export class ImageDigest {
  private leaves = new Uint8Array(0);
  private groups = new Uint8Array(0);
  private stale = new Uint8Array(0);
  private blocks = 0;

  constructor(private readonly hash: HashInto) {}

  /** Makes room for an image of so many blocks; new ones are zero. Never shrinks. */
  grow(blocks: number): void {
    if (blocks <= this.blocks) return;
    this.blocks = blocks;
    const groups = Math.ceil(blocks / GROUP_LEAVES);
    const enlarged = (old: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> => {
      const larger = new Uint8Array(bytes);
      larger.set(old);
      return larger;
    };
    this.leaves = enlarged(this.leaves, groups * GROUP_BYTES);
    this.groups = enlarged(this.groups, groups * DIGEST_BYTES);
    this.stale = enlarged(this.stale, groups);
  }

  /** The block is now what stands in the image. */
  filled(image: Uint8Array, block: number): void {
    this.hash(image, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES, this.leaves, block * DIGEST_BYTES);
    this.stale[Math.floor(block / GROUP_LEAVES)] = 1;
  }
  zeroed(block: number): void {
    this.leaves.fill(0, block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES);
    this.stale[Math.floor(block / GROUP_LEAVES)] = 1;
  }

  root(): Uint8Array {
    for (let group = 0; group < this.stale.length; group++) {
      if (this.stale[group] === 0) continue;
      const from = group * GROUP_BYTES;
      if (this.leaves.subarray(from, from + GROUP_BYTES).every((byte) => byte === 0)) this.groups.fill(0, group * DIGEST_BYTES, (group + 1) * DIGEST_BYTES);
      else this.hash(this.leaves, from, from + GROUP_BYTES, this.groups, group * DIGEST_BYTES);
      this.stale[group] = 0;
    }
    let groups = this.groups.length;
    while (groups > 0 && this.groups.subarray(groups - DIGEST_BYTES, groups).every((byte) => byte === 0)) groups -= DIGEST_BYTES;
    const head = ascii('godwit image\n');
    const whole = new Uint8Array(head.length + groups);
    whole.set(head);
    whole.set(this.groups.subarray(0, groups), head.length);
    const root = new Uint8Array(DIGEST_BYTES);
    this.hash(whole, 0, whole.length, root, 0);
    return root;
  }
}

/** @param rest the encoded snapshot with the image's section empty. */
export const stateDigest = (root: Uint8Array, rest: readonly Uint8Array[], sha256: Sha256Of): Sha256 => sha256(ascii('godwit state\n'), root, ...rest);
