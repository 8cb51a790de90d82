/** A chunk's value: 32 bytes of SHA-256 over what follows, then the bytes. */
import { createHash } from 'node:crypto';

export const DIGEST_BYTES = 32;
/** A chunk is at most this long; a longer one in the store is nobody's of ours. */
export const MAX_CHUNK_BYTES = 16 * 1024 * 1024;

const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Cuts the concatenation of `parts` into chunks of `chunkBytes`, the last one shorter; one chunk lies in memory at a time. */
export function* chunkValues(parts: readonly Uint8Array[], chunkBytes: number): Generator<Buffer, void, void> {
  let left = parts.reduce((sum, part) => sum + part.length, 0);
  let part = 0;
  let at = 0;
  do {
    const value = Buffer.alloc(DIGEST_BYTES + Math.min(chunkBytes, left));
    for (let to = DIGEST_BYTES; to < value.length;) {
      const taken = parts[part]!.subarray(at, at + value.length - to);
      value.set(taken, to);
      to += taken.length;
      at += taken.length;
      if (at === parts[part]!.length) [part, at] = [part + 1, 0];
    }
    left -= value.length - DIGEST_BYTES;
    digestOf(value.subarray(DIGEST_BYTES)).copy(value);
    yield value;
  } while (left > 0);
}

/** The bytes of a chunk, or undefined when they are not those that were written. */
export function checkedChunk(value: Buffer): Buffer | undefined {
  const bytes = value.subarray(DIGEST_BYTES);
  return value.length >= DIGEST_BYTES && digestOf(bytes).equals(value.subarray(0, DIGEST_BYTES)) ? bytes : undefined;
}
