/**
 * What leads from one image (a large flat part of a state) to the next: a list of changed blocks of 4 KiB.
 *
 * A delta is a sequence of records, block numbers ascending, none named twice. Little-endian:
 *   u32 first block · u32 kind << 28 | n · body
 *   kind 0 zero   n blocks are all zero now; no body
 *   kind 1 raw    n blocks; body: their n × 4096 bytes
 *   kind 2 words  one block; body of n bytes: runs of u16 words left as they are · u16 words that follow · 8 bytes each
 *
 * Why runs of *new words* and not of XOR with the base: they are as short, an application that is repeated changes
 * nothing (a shadow that re-reads its stream after a crash is not harmed), and the bytes need no second pass at the
 * target. XOR pays only under an entropy coder, which no link here is slow enough for before lz4 is.
 *
 * Invariants:
 *  D1. `applyDelta(base, encodeDelta(base, next))` makes `next`; equal inputs give equal bytes.
 *  D2. A delta is checked whole before the first byte of the image changes; nothing in it makes memory be taken.
 */
import { refuse, type Refusal } from '@godwit/kernel';

export const BLOCK_BYTES = 4_096;
export const DELTA_HEAD_BYTES = 8;
/** Blocks that may have been written, one bit each, where a runtime tracks writes; all others are known to be unchanged. */
export type WrittenBlocks = Uint8Array;
const WORD_BYTES = 8;
const RUN_HEAD_BYTES = 4;
const WORDS = BLOCK_BYTES / WORD_BYTES;
/** A body of words that is longer is not worth its work: the block goes raw. */
export const MOST_WORDS_BYTES = BLOCK_BYTES - 512;
/** Largest number of blocks that one record names: 1 GiB. */
const MOST_BLOCKS = 1 << 18;
const PROBES = 16;
/** So many of the probes changed: the block is taken to be changed all over. */
const DENSE_PROBES = 13;

const KINDS = ['zero', 'raw', 'words'] as const;
export type DeltaRecord =
  | { readonly kind: 'zero' | 'raw'; readonly block: number; readonly blocks: number }
  | { readonly kind: 'words'; readonly block: number; readonly bytes: number };

/** Bytes that follow the record's head. */
export const bodyBytes = (record: DeltaRecord): number => (record.kind === 'words' ? record.bytes : record.kind === 'raw' ? record.blocks * BLOCK_BYTES : 0);
/** Number of the first block behind it. */
export const recordEnd = (record: DeltaRecord): number => record.block + (record.kind === 'words' ? 1 : record.blocks);

export function writeHead(out: DataView, at: number, record: DeltaRecord): void {
  const n = record.kind === 'words' ? record.bytes : record.blocks;
  out.setUint32(at, record.block, true);
  out.setUint32(at + 4, ((KINDS.indexOf(record.kind) << 28) | n) >>> 0, true);
}

const damaged = (what: string): Refusal => refuse('snapshot-damaged', `delta: ${what}`, 'delta');

/**
 * @param from the lowest block that the record may name (the end of the one before it)
 * @param blocks how many the image has
 */
export function readHead(view: DataView, at: number, from: number, blocks: number): DeltaRecord | Refusal {
  if (at + DELTA_HEAD_BYTES > view.byteLength) return damaged('it ends inside the head of a record');
  const block = view.getUint32(at, true);
  const word = view.getUint32(at + 4, true);
  const kind = KINDS[word >>> 28];
  const n = word & 0x0fff_ffff;
  if (kind === undefined) return damaged(`a record of kind ${word >>> 28}, which is not known`);
  if (n === 0) return damaged('a record that changes nothing');
  if (kind === 'words' && (n > MOST_WORDS_BYTES || n % RUN_HEAD_BYTES !== 0)) return damaged(`${n} bytes of words, where at most ${MOST_WORDS_BYTES} are possible`);
  if (kind !== 'words' && n > MOST_BLOCKS) return damaged(`a record of ${n} blocks, where at most ${MOST_BLOCKS} are allowed`);
  if (block < from) return damaged(`block ${block} after block ${from - 1}`);
  const record: DeltaRecord = kind === 'words' ? { kind, block, bytes: n } : { kind, block, blocks: n };
  if (recordEnd(record) > blocks) return damaged(`block ${recordEnd(record) - 1} of an image of ${blocks} blocks`);
  return record;
}

/**
 * Are the two blocks so different that looking for runs is a waste? A guess from a few words of each.
 * @param nowBlock where the block stands in `now`
 */
export function looksDense(base: Int32Array, now: Int32Array, block: number, nowBlock = block): boolean {
  const first = (block * BLOCK_BYTES) >> 2;
  const offset = ((nowBlock - block) * BLOCK_BYTES) >> 2;
  let changed = 0;
  for (let i = 0; i < PROBES; i++) {
    // An odd stride, so that a program's own stride does not hide behind it.
    const at = first + ((i * 61 * 2 + 14) & 1_022);
    if (base[at] !== now[at + offset] || base[at + 1] !== now[at + offset + 1]) changed++;
  }
  return changed >= DENSE_PROBES;
}

/**
 * The runs that lead from a block of `base` to the block `now`, written to `out`.
 * @param base all of the base, as 32-bit words @param now one block, as 32-bit words
 * @returns their bytes, 0 when nothing changed, undefined when the block had better go raw
 */
export function encodeWords(base: Int32Array, block: number, now: Int32Array, out: DataView, at: number): number | undefined {
  const first = (block * BLOCK_BYTES) >> 2;
  let written = 0;
  let same = 0;
  let run = 0;
  let runAt = 0;
  for (let i = 0; i < WORDS * 2; i += 2) {
    const low = now[i]!;
    const high = now[i + 1]!;
    if (base[first + i] === low && base[first + i + 1] === high) {
      if (run > 0) out.setUint16(runAt + 2, run, true);
      run = 0;
      same++;
      continue;
    }
    if (run === 0) {
      if (written + RUN_HEAD_BYTES + WORD_BYTES > MOST_WORDS_BYTES) return undefined;
      runAt = at + written;
      out.setUint16(runAt, same, true);
      written += RUN_HEAD_BYTES;
      same = 0;
    } else if (written + WORD_BYTES > MOST_WORDS_BYTES) return undefined;
    out.setInt32(at + written, low, true);
    out.setInt32(at + written + 4, high, true);
    written += WORD_BYTES;
    run++;
  }
  if (run > 0) out.setUint16(runAt + 2, run, true);
  return written;
}

/** What is wrong with the body of a `words` record; undefined when nothing is. */
export function checkWords(body: DataView): Refusal | undefined {
  let word = 0;
  for (let at = 0; at < body.byteLength;) {
    if (at + RUN_HEAD_BYTES > body.byteLength) return damaged('a run is cut off');
    const same = body.getUint16(at, true);
    const run = body.getUint16(at + 2, true);
    if (run === 0 || (same === 0 && at > 0)) return damaged('an empty run');
    word += same + run;
    at += RUN_HEAD_BYTES + run * WORD_BYTES;
    if (word > WORDS || at > body.byteLength) return damaged('a run passes the end of its block');
  }
  return undefined;
}

/** Applies a checked body of `words` to the block at `offset` of the image. */
export function applyWords(image: Uint8Array, offset: number, body: Uint8Array): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let to = offset;
  for (let at = 0; at < body.length;) {
    to += view.getUint16(at, true) * WORD_BYTES;
    const bytes = view.getUint16(at + 2, true) * WORD_BYTES;
    at += RUN_HEAD_BYTES;
    image.set(body.subarray(at, at + bytes), to);
    at += bytes;
    to += bytes;
  }
}

/** Calls `visit` for each record of a delta, once all of it was checked. */
function walk(delta: Uint8Array, blocks: number, visit: (record: DeltaRecord, body: Uint8Array) => void): Refusal | undefined {
  const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength);
  const found: [DeltaRecord, Uint8Array][] = [];
  let from = 0;
  for (let at = 0; at < delta.length;) {
    const record = readHead(view, at, from, blocks);
    if ('refused' in record) return record;
    at += DELTA_HEAD_BYTES;
    const end = at + bodyBytes(record);
    if (end > delta.length) return damaged('it ends inside the body of a record');
    const wrong = record.kind === 'words' ? checkWords(new DataView(delta.buffer, delta.byteOffset + at, record.bytes)) : undefined;
    if (wrong) return wrong;
    found.push([record, delta.subarray(at, end)]);
    at = end;
    from = recordEnd(record);
  }
  for (const [record, body] of found) visit(record, body);
  return undefined;
}

/**
 * Makes `image`, which is the delta's base, what the delta leads to. A delta that is wrong is refused and changes nothing.
 * The image's length is a multiple of 4096 bytes; it may be larger than the base was, with zeros behind it.
 */
export function applyDelta(image: Uint8Array, delta: Uint8Array): Refusal | undefined {
  return walk(delta, Math.floor(image.length / BLOCK_BYTES), (record, body) => {
    const offset = record.block * BLOCK_BYTES;
    if (record.kind === 'words') applyWords(image, offset, body);
    else if (record.kind === 'raw') image.set(body, offset);
    else image.fill(0, offset, offset + record.blocks * BLOCK_BYTES);
  });
}

/** Blocks that a delta changes, for a digest that is kept beside the image. Refuses what `applyDelta` would. */
export function changedBlocks(delta: Uint8Array, blocks: number): readonly number[] | Refusal {
  const changed: number[] = [];
  const wrong = walk(delta, blocks, (record) => {
    for (let block = record.block; block < recordEnd(record); block++) changed.push(block);
  });
  return wrong ?? changed;
}
