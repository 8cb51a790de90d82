/**
 * The stream of a live copy, on a connection that proved itself at the door. One connection carries all of it.
 *
 *   receiver → "GO\n\n"
 *   sender   → u32 "GDWL" · u32 version
 *   sender   → frames: u32 kind · u32 bytes that follow · u64 value
 *                image   value: bytes of the image from now on; never fewer than before
 *                delta   a piece of a round: whole records, see `delta.ts` of the snapshot library
 *                packed  the same, zstd; value: its bytes unpacked
 *                round   value: number of the round that ends here
 *                rest    the encoded snapshot without its image: the thread stands still, and this was the last round
 *   receiver → after each `round` "ACK\n" · u32 round, once all of it stands in its place
 *   receiver → after `rest` "DIG\n" · SHA-256, 32 bytes: the digest of the state that it holds
 *
 * Whatever does not fit ends the stream: the receiver closes, its agent learns why, and the source goes on.
 */
export const LIVE_MAGIC = 0x4c574447; // "GDWL"
export const LIVE_VERSION = 1;
export const FRAME_HEAD_BYTES = 16;
export const FRAME = { image: 1, delta: 2, packed: 3, round: 4, rest: 5 } as const;
/** Larger than any piece that a copier gives out. */
export const MOST_FRAME_BYTES = 4 * 1024 * 1024;
export const ACK = Buffer.from('ACK\n');
export const DIGEST = Buffer.from('DIG\n');

export function frameHead(kind: number, bytes: number, value: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head.writeUInt32LE(kind, 0);
  head.writeUInt32LE(bytes, 4);
  head.writeBigUInt64LE(BigInt(value), 8);
  return head;
}
