/**
 * The program's memory as a section: u32 pages of 64 KiB · u32 blocks · a bit for each block that is not all zero (up to
 * the last such block) · those blocks. Canonical: equal memories give equal bytes, and untouched memory costs nothing.
 */
import { WASM_PAGE_BYTES } from './abi.js';

export const BLOCK_BYTES = 4_096;
const HEAD_BYTES = 8;
const ZERO = Buffer.alloc(BLOCK_BYTES);

export function encodeMemory(memory: Uint8Array): Uint8Array {
  const all = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
  const used: number[] = [];
  for (let block = 0; block * BLOCK_BYTES < all.length; block++) {
    if (all.compare(ZERO, 0, BLOCK_BYTES, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES) !== 0) used.push(block);
  }
  const blocks = used.length === 0 ? 0 : used[used.length - 1]! + 1;
  const bitmapBytes = Math.ceil(blocks / 8);
  const out = Buffer.alloc(HEAD_BYTES + bitmapBytes + used.length * BLOCK_BYTES);
  out.writeUInt32LE(all.length / WASM_PAGE_BYTES, 0);
  out.writeUInt32LE(blocks, 4);
  used.forEach((block, i) => {
    out[HEAD_BYTES + (block >> 3)]! |= 1 << (block & 7);
    all.copy(out, HEAD_BYTES + bitmapBytes + i * BLOCK_BYTES, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  });
  return out;
}

export interface MemoryImage {
  readonly pages: number;
  /** Numbers of the blocks that are not all zero, ascending. */
  readonly used: readonly number[];
  /** Their bytes, in order. */
  readonly bytes: Uint8Array;
}

/** Reads the head and checks all sizes; takes no memory for the content. @throws RangeError naming what is wrong. */
export function decodeMemory(section: Uint8Array): MemoryImage {
  if (section.length < HEAD_BYTES) throw new RangeError('it is shorter than its head');
  const view = new DataView(section.buffer, section.byteOffset, section.length);
  const pages = view.getUint32(0, true);
  const blocks = view.getUint32(4, true);
  const bitmapBytes = Math.ceil(blocks / 8);
  if (blocks > (pages * WASM_PAGE_BYTES) / BLOCK_BYTES || HEAD_BYTES + bitmapBytes > section.length) throw new RangeError(`it speaks of ${blocks} blocks in ${pages} pages`);
  const used: number[] = [];
  for (let block = 0; block < bitmapBytes * 8; block++) {
    if (section[HEAD_BYTES + (block >> 3)]! & (1 << (block & 7))) used.push(block);
  }
  const bytes = section.subarray(HEAD_BYTES + bitmapBytes);
  if ((used[used.length - 1] ?? -1) !== blocks - 1 || bytes.length !== used.length * BLOCK_BYTES) throw new RangeError(`${used.length} blocks do not fit ${bytes.length} bytes`);
  return { pages, used, bytes };
}

/** Zeroes what is not; memory that nobody has touched is only looked at, and goes on taking no room. */
export function clearMemory(memory: Uint8Array): void {
  const all = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
  for (let at = 0; at < all.length; at += BLOCK_BYTES) {
    if (all.compare(ZERO, 0, BLOCK_BYTES, at, at + BLOCK_BYTES) !== 0) all.fill(0, at, at + BLOCK_BYTES);
  }
}

/** Makes `memory`, which is as large as the image says, equal to it. */
export function writeMemory(memory: Uint8Array, image: MemoryImage): void {
  clearMemory(memory);
  image.used.forEach((block, i) => memory.set(image.bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), block * BLOCK_BYTES));
}
