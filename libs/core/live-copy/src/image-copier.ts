/**
 * The source's side of a copy: rounds over an image that its thread goes on writing.
 *
 * Invariants:
 *  L1. A changed block is read once, into the base; what is sent, hashed and later compared is that private copy. To
 *      compare, send and keep the live block separately would tear: each would see another moment of it.
 *  L2. After a round over an image that stands still, the base equals it, byte by byte.
 *  L3. The parts of a piece show the base: the next round may begin only when all pieces of this one were used.
 */
import type { Sha256, Sha256Of } from '@godwit/kernel';
import { BLOCK_BYTES, DeltaWriter, ImageDigest, stateDigest, wordsOf, type BlockPort, type DeltaPiece, type HashInto, type WrittenBlocks } from '@godwit/snapshot';

/** Bytes that begin zeroed and can grow in place. */
export interface GrowingBytes {
  /** All of them, at least `bytes` long afterwards; earlier views stay valid. @throws RangeError beyond the maximum. */
  grow(bytes: number): Uint8Array;
}
export interface ImagePort extends BlockPort {
  readonly hash: HashInto;
  allocate(maximumBytes: number): GrowingBytes;
}

/** Ranges that are compared at once: large ones are cheaper a byte, small ones show sooner where the change is. */
const COARSE_BLOCKS = 16;
/** After so much was looked at, or found, a piece is given out: about half a millisecond of work. */
const STEP_BLOCKS = 512;
const PIECE_BYTES = 256 * 1024;

export class ImageCopier {
  private readonly writer: DeltaWriter;
  private readonly digest: ImageDigest;
  private readonly memory: GrowingBytes;
  private base: Uint8Array = new Uint8Array(0);
  private baseWords: Int32Array = new Int32Array(0);
  private zeroed: number[] = [];
  private filled: number[] = [];

  /** @param maximumBytes the largest image that there can be; only what is not zero takes memory */
  constructor(private readonly port: ImagePort, maximumBytes: number) {
    this.writer = new DeltaWriter(port);
    this.digest = new ImageDigest(port.hash);
    this.memory = port.allocate(maximumBytes);
  }

  get imageBytes(): number {
    return this.base.length;
  }

  /**
   * One round over `live`, which is never shorter than in the round before. Gives a piece whenever some work was done,
   * also an empty one, so that the caller can look after other things in between; he may break the round off there.
   * @param written where given, only these blocks are looked at
   */
  *round(live: Uint8Array, written?: WrittenBlocks): Generator<DeltaPiece, void, void> {
    if (live.length % BLOCK_BYTES !== 0 || live.length < this.base.length) throw new RangeError(`an image of ${live.length} bytes after one of ${this.base.length}`);
    this.base = this.memory.grow(live.length).subarray(0, live.length);
    this.baseWords = wordsOf(this.base);
    const liveWords = wordsOf(live);
    const blocks = live.length / BLOCK_BYTES;
    this.digest.grow(blocks);
    let looked = 0;
    for (let block = 0; block < blocks; block += COARSE_BLOCKS) {
      const end = Math.min(blocks, block + COARSE_BLOCKS);
      if (written && !anyBit(written, block, end)) continue;
      looked += end - block;
      if (written || !this.port.equal(live, block * BLOCK_BYTES, this.base, block * BLOCK_BYTES, (end - block) * BLOCK_BYTES)) this.takeRange(live, liveWords, block, end, written);
      if (looked < STEP_BLOCKS && this.writer.bytes < PIECE_BYTES) continue;
      looked = 0;
      yield* this.give();
    }
    yield* this.give();
  }

  private *give(): Generator<DeltaPiece, void, void> {
    try {
      yield this.writer.finish(this.base);
    } finally {
      // Also when the caller breaks the round off: what was given out is copied, and the next round finds the rest.
      this.hashTaken();
    }
  }

  private takeRange(live: Uint8Array, liveWords: Int32Array, from: number, end: number, written: WrittenBlocks | undefined): void {
    for (let block = from; block < end; block++) {
      if (written && !anyBit(written, block, block + 1)) continue;
      if (this.port.equal(live, block * BLOCK_BYTES, this.base, block * BLOCK_BYTES, BLOCK_BYTES)) continue;
      if (this.writer.take(live, liveWords, this.base, this.baseWords, block) === 'zero') this.zeroed.push(block);
      else this.filled.push(block);
    }
  }

  /** After the piece was given out, so that the other side works on it meanwhile. */
  private hashTaken(): void {
    for (const block of this.zeroed) this.digest.zeroed(block);
    for (const block of this.filled) this.digest.filled(this.base, block);
    this.zeroed = [];
    this.filled = [];
  }

  /** The digest of a state whose image was just copied while it stood still. @param rest see `stateDigest` */
  stateDigest(rest: readonly Uint8Array[], sha256: Sha256Of): Sha256 {
    return stateDigest(this.digest.root(), rest, sha256);
  }
}

function anyBit(bits: Uint8Array, from: number, end: number): boolean {
  for (let block = from; block < end; block++) if (bits[block >> 3]! & (1 << (block & 7))) return true;
  return false;
}
