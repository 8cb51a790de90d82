/**
 * Whether packing pays: only where the link is the bottleneck. The sender tells how long it waited for the link; when it
 * waits most of the time and the link carries less than packing does, pieces are packed, as long as they get smaller.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { refuse, type Refusal } from '@godwit/kernel';

/** Links that are faster than this are not waited for by packing (level 1 packs 300 to 500 MB/s on one core). */
const SLOW_LINK_BYTES_PER_SECOND = 250e6;
const WINDOW_BYTES = 2 * 1024 * 1024;
const WAITED_SHARE = 0.5;
const USEFUL_RATIO = 0.9;
/** Pieces that go unpacked after one that did not get smaller. */
const PAUSE_PIECES = 32;

export class Packing {
  private bytes = 0;
  private elapsedMs = 0;
  private waitedMs = 0;
  private slow = false;
  private pause = 0;

  /** Tells what a piece took: `elapsedMs` in all, `waitedMs` of it for the link. */
  sent(wireBytes: number, elapsedMs: number, waitedMs: number): void {
    this.bytes += wireBytes;
    this.elapsedMs += elapsedMs;
    this.waitedMs += waitedMs;
    if (this.bytes < WINDOW_BYTES) return;
    this.slow = this.waitedMs > this.elapsedMs * WAITED_SHARE && (this.bytes * 1_000) / Math.max(this.elapsedMs, 0.001) < SLOW_LINK_BYTES_PER_SECOND;
    this.bytes = this.elapsedMs = this.waitedMs = 0;
  }

  /** The piece packed, or undefined where it goes as it is. */
  pack(parts: readonly Uint8Array[]): Uint8Array | undefined {
    if (!this.slow || this.pause-- > 0) return undefined;
    const raw = Buffer.concat(parts);
    const packed = zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    if (packed.length < raw.length * USEFUL_RATIO) return packed;
    this.pause = PAUSE_PIECES;
    return undefined;
  }
}

/** @param rawBytes what was announced; not one byte more is unpacked */
export function unpack(packed: Uint8Array, rawBytes: number): Uint8Array | Refusal {
  try {
    const raw = zstdDecompressSync(packed, { maxOutputLength: rawBytes });
    if (raw.length === rawBytes) return raw;
    return refuse('malformed-message', `bulk stream: a piece unpacked to ${raw.length} bytes instead of ${rawBytes}`);
  } catch (cause) {
    return refuse('malformed-message', `bulk stream: a piece could not be unpacked (${(cause as Error).message})`);
  }
}
