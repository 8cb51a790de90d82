/**
 * Writes deltas. The bytes of raw blocks are not copied: the parts of a finished delta show them where they stand in the
 * base, which therefore must stay as it is until those parts were used.
 */
import { BLOCK_BYTES, DELTA_HEAD_BYTES, encodeWords, looksDense, MOST_WORDS_BYTES, writeHead, type DeltaRecord } from './delta.js';

/** Bulk operations on bytes, which the platform does faster than a loop. */
export interface BlockPort {
  equal(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, bytes: number): boolean;
  copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, bytes: number): void;
}

const POOL_BYTES = 64 * 1024;
const ZERO = new Uint8Array(BLOCK_BYTES);

/** 32-bit words of whole blocks. @throws RangeError when the bytes do not begin at a multiple of four. */
export const wordsOf = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);

/** A part of a delta whose bytes are final; `bytes` is the sum of its parts. */
export interface DeltaPiece {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Blocks that it changes. */
  readonly blocks: number;
}

export class DeltaWriter {
  private parts: Uint8Array[] = [];
  private partBytes = 0;
  private blocks = 0;
  private pool = new Uint8Array(POOL_BYTES);
  private poolView = new DataView(this.pool.buffer);
  private poolFrom = 0;
  private poolAt = 0;
  private open: { kind: 'zero' | 'raw'; block: number; blocks: number } | undefined;
  private readonly scratch = new Uint8Array(BLOCK_BYTES);
  private readonly scratchWords = wordsOf(this.scratch);

  constructor(private readonly port: BlockPort) {}

  /** Bytes written since the last `take`. */
  get bytes(): number {
    const open = this.open;
    return this.partBytes + this.poolAt - this.poolFrom + (open ? DELTA_HEAD_BYTES + (open.kind === 'raw' ? open.blocks * BLOCK_BYTES : 0) : 0);
  }

  /**
   * Takes over one block: `live` may be changing, so it is read once; that private copy is what the delta says and what
   * `base` becomes. Blocks come in ascending order.
   * @param liveBlock where the block stands in `live`
   * @returns 'zero' or 'filled': what the block is now
   */
  take(live: Uint8Array, liveWords: Int32Array, base: Uint8Array, baseWords: Int32Array, block: number, liveBlock = block): 'zero' | 'filled' {
    const at = block * BLOCK_BYTES;
    const liveAt = liveBlock * BLOCK_BYTES;
    this.blocks++;
    if (looksDense(baseWords, liveWords, block, liveBlock)) {
      this.port.copy(live, liveAt, base, at, BLOCK_BYTES);
      return this.whole(base, block);
    }
    this.port.copy(live, liveAt, this.scratch, 0, BLOCK_BYTES);
    if (this.port.equal(this.scratch, 0, ZERO, 0, BLOCK_BYTES)) {
      base.fill(0, at, at + BLOCK_BYTES);
      this.add('zero', base, block);
      return 'zero';
    }
    this.reserve(DELTA_HEAD_BYTES * 2 + MOST_WORDS_BYTES);
    const headAt = this.poolAt + (this.open ? DELTA_HEAD_BYTES : 0);
    const bytes = encodeWords(baseWords, block, this.scratchWords, this.poolView, headAt + DELTA_HEAD_BYTES);
    this.port.copy(this.scratch, 0, base, at, BLOCK_BYTES);
    if (bytes === undefined) this.add('raw', base, block);
    else if (bytes > 0) this.words(block, bytes, headAt, base);
    return 'filled';
  }

  private whole(base: Uint8Array, block: number): 'zero' | 'filled' {
    const zero = this.port.equal(base, block * BLOCK_BYTES, ZERO, 0, BLOCK_BYTES);
    this.add(zero ? 'zero' : 'raw', base, block);
    return zero ? 'zero' : 'filled';
  }

  private add(kind: 'zero' | 'raw', base: Uint8Array, block: number): void {
    if (this.open && this.open.kind === kind && this.open.block + this.open.blocks === block) {
      this.open.blocks++;
      return;
    }
    this.close(base);
    this.open = { kind, block, blocks: 1 };
  }

  private words(block: number, bytes: number, headAt: number, base: Uint8Array): void {
    const before = this.open;
    this.close(base);
    // The runs stand behind the head of the record that was open; when that was raw, its bytes come between.
    if (before && this.poolAt !== headAt) throw new Error('the runs are not where they were meant to be');
    this.head({ kind: 'words', block, bytes });
    this.poolAt += bytes;
  }

  private head(record: DeltaRecord): void {
    writeHead(this.poolView, this.poolAt, record);
    this.poolAt += DELTA_HEAD_BYTES;
  }

  private close(base: Uint8Array): void {
    const { open } = this;
    if (!open) return;
    this.open = undefined;
    this.reserve(DELTA_HEAD_BYTES);
    this.head(open);
    if (open.kind !== 'raw') return;
    this.flush();
    this.push(base.subarray(open.block * BLOCK_BYTES, (open.block + open.blocks) * BLOCK_BYTES));
  }

  private push(part: Uint8Array): void {
    this.parts.push(part);
    this.partBytes += part.length;
  }
  private flush(): void {
    if (this.poolAt > this.poolFrom) this.push(this.pool.subarray(this.poolFrom, this.poolAt));
    this.poolFrom = this.poolAt;
  }
  private reserve(bytes: number): void {
    if (this.poolAt + bytes <= POOL_BYTES) return;
    this.flush();
    this.pool = new Uint8Array(POOL_BYTES);
    this.poolView = new DataView(this.pool.buffer);
    this.poolFrom = this.poolAt = 0;
  }

  /** What was written since the last call. */
  finish(base: Uint8Array): DeltaPiece {
    this.close(base);
    this.flush();
    const piece = { parts: this.parts, bytes: this.partBytes, blocks: this.blocks };
    this.parts = [];
    this.partBytes = this.blocks = 0;
    return piece;
  }
}

/** The delta from `base` to `next`, both of whole blocks and equally long; `base` becomes equal to `next`. */
export function encodeDelta(base: Uint8Array, next: Uint8Array, port: BlockPort): DeltaPiece {
  if (base.length !== next.length || base.length % BLOCK_BYTES !== 0) throw new RangeError(`a delta from ${base.length} to ${next.length} bytes: both must be the same number of whole blocks`);
  const writer = new DeltaWriter(port);
  const [baseWords, nextWords] = [wordsOf(base), wordsOf(next)];
  for (let block = 0; block * BLOCK_BYTES < base.length; block++) {
    if (!port.equal(base, block * BLOCK_BYTES, next, block * BLOCK_BYTES, BLOCK_BYTES)) writer.take(next, nextWords, base, baseWords, block);
  }
  return writer.finish(base);
}
