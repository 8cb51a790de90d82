/**
 * The private copy of the image that a thread's last checkpoint holds, and what leads from it to the next one.
 *
 * In the freeze only `capture` runs: it compares, and copies the blocks that differ aside. When the thread runs again,
 * `delta` encodes them (the private copy becomes the new state on the way) or `absorb` takes them over without a word;
 * `whole` says all of the private copy. Rejected: encoding in the freeze (three times as long for sparse changes), and
 * keeping only hashes of blocks instead of a copy (no runs inside a block, and no resync of a shadow without a freeze).
 *
 * Invariants:
 *  C1. What was captured is in the private copy before the next capture; else `capture` is a mistake of the caller.
 *  C2. Parts of a piece show the private copy: they are used before the next capture is taken over.
 *  C3. A `Kept` view says the state of the moment when it was opened, whatever is taken over later.
 */
import type { Sha256, Sha256Of } from '@godwit/kernel';
import { BLOCK_BYTES, DELTA_HEAD_BYTES, DeltaWriter, ImageDigest, stateDigest, wordsOf, writeHead, type BlockPort, type DeltaPiece, type HashInto, type WrittenBlocks } from '@godwit/snapshot';
import type { GrowingBytes } from './image-copier.js';

const COARSE_BLOCKS = 16;
const PIECE_BYTES = 256 * 1024;
const PIECE_BLOCKS = PIECE_BYTES / BLOCK_BYTES;
const ZERO = new Uint8Array(BLOCK_BYTES);

/** A run of blocks that are not all zero. */
interface Run { readonly block: number; readonly blocks: number }

export class CheckpointImage {
  private readonly writer: DeltaWriter;
  private readonly digest: ImageDigest;
  private base: Uint8Array = new Uint8Array(0);
  private aside = new Uint8Array(0);
  private captured: number[] = [];
  private readonly kept = new Set<Kept>();

  constructor(private readonly port: BlockPort & { readonly hash: HashInto }, private readonly memory: GrowingBytes) {
    this.writer = new DeltaWriter(port);
    this.digest = new ImageDigest(port.hash);
  }

  get imageBytes(): number {
    return this.base.length;
  }

  /**
   * Takes over what differs, block by block, from an image that may be changing: no state yet, but the capture that
   * follows has little left to do. Gives way now and then; to be drawn to its end.
   */
  *prime(live: Uint8Array): Generator<void, void, void> {
    const blocks = this.fit(live);
    for (let block = 0; block < blocks; block += COARSE_BLOCKS) {
      const end = Math.min(blocks, block + COARSE_BLOCKS);
      if (this.port.equal(live, block * BLOCK_BYTES, this.base, block * BLOCK_BYTES, (end - block) * BLOCK_BYTES)) continue;
      for (let at = block; at < end; at++) {
        this.beforeOverwriting(at);
        this.port.copy(live, at * BLOCK_BYTES, this.base, at * BLOCK_BYTES, BLOCK_BYTES);
        this.hashed(at, this.isZero(at) ? 'zero' : 'filled');
      }
      yield;
    }
  }

  /** Room for an image of that size; @returns its blocks. */
  private fit(live: Uint8Array): number {
    if (this.captured.length > 0) throw new Error('the last capture was not taken over');
    if (live.length % BLOCK_BYTES !== 0 || live.length < this.base.length) throw new RangeError(`an image of ${live.length} bytes after one of ${this.base.length}`);
    this.base = this.memory.grow(live.length).subarray(0, live.length);
    const blocks = live.length / BLOCK_BYTES;
    this.digest.grow(blocks);
    return blocks;
  }
  private isZero(block: number): boolean {
    return this.port.equal(this.base, block * BLOCK_BYTES, ZERO, 0, BLOCK_BYTES);
  }

  /**
   * Copies aside what differs from the private copy; @returns how many bytes those blocks are.
   * @param live whole blocks, never fewer than before; may be changing only if another capture follows before the state counts
   * @param written where given, only these blocks are looked at
   */
  capture(live: Uint8Array, written?: WrittenBlocks): number {
    const blocks = this.fit(live);
    for (let block = 0; block < blocks; block += COARSE_BLOCKS) {
      const end = Math.min(blocks, block + COARSE_BLOCKS);
      if (!written && this.port.equal(live, block * BLOCK_BYTES, this.base, block * BLOCK_BYTES, (end - block) * BLOCK_BYTES)) continue;
      for (let at = block; at < end; at++) {
        if (written && !(written[at >> 3]! & (1 << (at & 7)))) continue;
        if (!this.port.equal(live, at * BLOCK_BYTES, this.base, at * BLOCK_BYTES, BLOCK_BYTES)) this.putAside(live, at);
      }
    }
    return this.captured.length * BLOCK_BYTES;
  }

  private putAside(live: Uint8Array, block: number): void {
    const at = this.captured.length * BLOCK_BYTES;
    if (at + BLOCK_BYTES > this.aside.length) {
      const larger = new Uint8Array(Math.max(64 * BLOCK_BYTES, this.aside.length * 2));
      larger.set(this.aside);
      this.aside = larger;
    }
    this.port.copy(live, block * BLOCK_BYTES, this.aside, at, BLOCK_BYTES);
    this.captured.push(block);
  }

  /** The captured blocks as a delta; afterwards they are the private copy. To be drawn to its end. */
  *delta(): Generator<DeltaPiece, void, void> {
    const [asideWords, baseWords] = [wordsOf(this.aside), wordsOf(this.base)];
    for (const [i, block] of this.captured.entries()) {
      this.beforeOverwriting(block);
      this.hashed(block, this.writer.take(this.aside, asideWords, this.base, baseWords, block, i));
      if (this.writer.bytes >= PIECE_BYTES) yield this.writer.finish(this.base);
    }
    yield this.writer.finish(this.base);
    this.takenOver();
  }

  /** The captured blocks become the private copy. Gives way now and then; to be drawn to its end. */
  *absorb(): Generator<void, void, void> {
    for (const [i, block] of this.captured.entries()) {
      this.beforeOverwriting(block);
      this.port.copy(this.aside, i * BLOCK_BYTES, this.base, block * BLOCK_BYTES, BLOCK_BYTES);
      this.hashed(block, this.isZero(block) ? 'zero' : 'filled');
      if (i % PIECE_BLOCKS === PIECE_BLOCKS - 1) yield;
    }
    this.takenOver();
  }

  private hashed(block: number, is: 'zero' | 'filled'): void {
    if (is === 'zero') this.digest.zeroed(block);
    else this.digest.filled(this.base, block);
  }
  private takenOver(): void {
    // Much aside is rare; a thread that once changed all of its state need not pay for it for ever.
    if (this.aside.length > this.captured.length * BLOCK_BYTES * 4) this.aside = new Uint8Array(0);
    this.captured = [];
  }
  private beforeOverwriting(block: number): void {
    for (const view of this.kept) view.keep(block, this.base);
  }

  /** All of the private copy, as a delta upon zeros. */
  *whole(): Generator<DeltaPiece, void, void> {
    for (const { block, blocks } of this.runs()) yield { parts: [runHead(block, blocks), this.base.subarray(block * BLOCK_BYTES, (block + blocks) * BLOCK_BYTES)], bytes: DELTA_HEAD_BYTES + blocks * BLOCK_BYTES, blocks };
  }

  /** All of the private copy as it is now, to be said while later checkpoints go on. To be closed. */
  keepWhole(): Kept {
    const view = new Kept(this.port, this.base, [...this.runs()], (closed) => this.kept.delete(closed));
    this.kept.add(view);
    return view;
  }

  private *runs(): Generator<Run, void, void> {
    let from = -1;
    const blocks = this.base.length / BLOCK_BYTES;
    for (let block = 0; block <= blocks; block++) {
      const filled = block < blocks && !this.isZero(block);
      if (from >= 0 && (!filled || block - from === PIECE_BLOCKS)) {
        yield { block: from, blocks: block - from };
        from = -1;
      }
      if (filled && from < 0) from = block;
    }
  }

  /** The digest of the state whose image the private copy is. @param rest see `stateDigest` */
  stateDigest(rest: readonly Uint8Array[], sha256: Sha256Of): Sha256 {
    return stateDigest(this.digest.root(), rest, sha256);
  }
}

function runHead(block: number, blocks: number): Uint8Array {
  const head = new Uint8Array(DELTA_HEAD_BYTES);
  writeHead(new DataView(head.buffer), 0, { kind: 'raw', block, blocks });
  return head;
}

/** The private copy at one moment: blocks that are overwritten before they were said are kept aside. */
export class Kept {
  private said = -1;
  private readonly old = new Map<number, Uint8Array>();
  /** Of the delta upon zeros. */
  readonly bytes: number;
  readonly imageBytes: number;

  constructor(private readonly port: BlockPort, private readonly base: Uint8Array, private readonly runs: readonly Run[], private readonly onClose: (view: Kept) => void) {
    this.bytes = runs.reduce((sum, { blocks }) => sum + DELTA_HEAD_BYTES + blocks * BLOCK_BYTES, 0);
    this.imageBytes = base.length;
  }

  keep(block: number, base: Uint8Array): void {
    if (block > this.said && !this.old.has(block)) this.old.set(block, base.slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
  }

  /** Its pieces, as copies. */
  *pieces(): Generator<Uint8Array, void, void> {
    for (const { block, blocks } of this.runs) {
      const piece = new Uint8Array(DELTA_HEAD_BYTES + blocks * BLOCK_BYTES);
      piece.set(runHead(block, blocks));
      for (let at = block; at < block + blocks; at++) {
        this.port.copy(this.old.get(at) ?? this.base, this.old.has(at) ? 0 : at * BLOCK_BYTES, piece, DELTA_HEAD_BYTES + (at - block) * BLOCK_BYTES, BLOCK_BYTES);
        this.old.delete(at);
      }
      this.said = block + blocks - 1;
      yield piece;
    }
  }

  close(): void {
    this.onClose(this);
  }
}
