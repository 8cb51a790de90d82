/**
 * A snapshot on a socket, from runner to runner.
 *
 *   receiver → "GO\n\n"                       (it holds the socket now, B2 of door.ts)
 *   sender   → u32 "GDWS" · u64 total bytes   (checked against the limit before memory is taken)
 *   sender   → frames: u32 raw bytes · u32 wire bytes · wire bytes of content (zstd when they are fewer)
 *   sender   → SHA-256 of the raw bytes, 32 bytes
 *   receiver → the SHA-256 that it computed, 32 bytes: the acknowledgement
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { ExactReader, GO, write } from './exact-reader.js';

const MAGIC = 0x53574447; // "GDWS"
const FRAME_BYTES = 256 * 1024;
const DIGEST_BYTES = 32;

function frame(raw: Uint8Array, compress: boolean): Uint8Array[] {
  const packed = compress ? zstdCompressSync(raw) : raw;
  const content = packed.length < raw.length ? packed : raw;
  const head = Buffer.alloc(8);
  head.writeUInt32LE(raw.length, 0);
  head.writeUInt32LE(content.length, 4);
  return [head, content];
}

/**
 * Sends the concatenation of `parts`. Resolves when the receiver has acknowledged the digest.
 * @throws OperationError when the connection fails or the time is up.
 */
export async function sendSnapshot(socket: Socket, parts: readonly Uint8Array[], options: { readonly compress: boolean; readonly timeoutMs: number }): Promise<{ digest: Sha256; bytes: number; wireBytes: number } | Refusal> {
  const reader = new ExactReader(socket, options.timeoutMs);
  try {
    if (!(await reader.take(GO.length)).equals(GO)) return refuse('malformed-message', 'snapshot stream: the receiver did not say "go"');
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const head = Buffer.alloc(12);
    head.writeUInt32LE(MAGIC, 0);
    head.writeBigUInt64LE(BigInt(bytes), 4);
    const hash = createHash('sha256');
    let wireBytes = head.length + DIGEST_BYTES;
    await write(socket, head);
    for (const part of parts) {
      hash.update(part);
      for (let at = 0; at < part.length; at += FRAME_BYTES) {
        for (const piece of frame(part.subarray(at, at + FRAME_BYTES), options.compress)) {
          wireBytes += piece.length;
          if (!socket.write(piece)) await write(socket, new Uint8Array(0));
        }
      }
    }
    const digest = hash.digest();
    await write(socket, digest);
    const answer = await reader.take(DIGEST_BYTES);
    if (!answer.equals(digest)) return refuse('digest-mismatch', 'snapshot stream: the receiver computed another digest');
    return { digest: digest.toString('hex') as Sha256, bytes, wireBytes };
  } finally {
    reader.close();
  }
}

/**
 * Receives one snapshot of at most `maxBytes`. Sizes are checked before memory is taken; a frame cannot unpack to more
 * than it announced.
 * @throws OperationError when the connection fails or the time is up.
 */
export async function receiveSnapshot(socket: Socket, options: { readonly maxBytes: number; readonly timeoutMs: number }): Promise<{ content: Uint8Array; digest: Sha256 } | Refusal> {
  const reader = new ExactReader(socket, options.timeoutMs);
  try {
    await write(socket, GO);
    const head = await reader.take(12);
    const total = head.readBigUInt64LE(4);
    if (head.readUInt32LE(0) !== MAGIC) return refuse('malformed-message', 'snapshot stream: does not begin with "GDWS"');
    if (total > BigInt(options.maxBytes)) return refuse('payload-too-large', `snapshot stream: ${total} bytes announced, at most ${options.maxBytes} are allowed`);
    const content = new Uint8Array(Number(total));
    const received = await fill(reader, content);
    if (received !== undefined) return received;
    const digest = createHash('sha256').update(content).digest();
    const sent = await reader.take(DIGEST_BYTES);
    if (!sent.equals(digest)) return refuse('digest-mismatch', 'snapshot stream: the content does not have the digest that was sent with it');
    await write(socket, digest);
    return { content, digest: digest.toString('hex') as Sha256 };
  } finally {
    reader.close();
  }
}

async function fill(reader: ExactReader, content: Uint8Array): Promise<Refusal | undefined> {
  for (let at = 0; at < content.length; ) {
    const head = await reader.take(8);
    const rawBytes = head.readUInt32LE(0);
    const wireBytes = head.readUInt32LE(4);
    if (rawBytes === 0 || rawBytes > FRAME_BYTES || wireBytes > rawBytes || at + rawBytes > content.length) {
      return refuse('malformed-message', `snapshot stream: a frame of ${rawBytes} bytes (${wireBytes} on the wire) does not fit at ${at} of ${content.length}`);
    }
    const wire = await reader.take(wireBytes);
    if (wireBytes === rawBytes) content.set(wire, at);
    else {
      let raw: Buffer;
      try {
        raw = zstdDecompressSync(wire, { maxOutputLength: rawBytes });
      } catch (cause) {
        return refuse('malformed-message', `snapshot stream: a frame could not be unpacked (${(cause as Error).message})`);
      }
      if (raw.length !== rawBytes) return refuse('malformed-message', `snapshot stream: a frame unpacked to ${raw.length} bytes instead of ${rawBytes}`);
      content.set(raw, at);
    }
    at += rawBytes;
  }
  return undefined;
}
