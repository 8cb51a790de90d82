/**
 * Where a runtime tracks writes, it tells each write once; but checkpoints and copies each need to know what was written
 * since their own last look. Every reader gets what has come since, and at its first look undefined: all may be new to it.
 */
import type { LiveImage } from '@godwit/runtime';
import type { WrittenBlocks } from '@godwit/snapshot';

export interface WrittenReader {
  /** Blocks that may have been written since the last call; undefined for "any". Ask before the image is looked at. */
  take(): WrittenBlocks | undefined;
  /** What `take` gave was not all looked at: it is given again. */
  putBack(bits: WrittenBlocks | undefined): void;
  close(): void;
}

export class WrittenLedger {
  private readonly pending = new Map<WrittenReader, Uint8Array>();

  constructor(private readonly image: LiveImage | undefined) {}

  reader(): WrittenReader {
    let first = true;
    const reader: WrittenReader = {
      take: () => {
        const tracked = this.gather();
        const bits = this.pending.get(reader);
        this.pending.set(reader, new Uint8Array(0));
        const all = first || !tracked;
        first = false;
        return all ? undefined : bits;
      },
      putBack: (bits) => {
        if (bits) this.pending.set(reader, union(this.pending.get(reader) ?? new Uint8Array(0), bits));
        else first = true;
      },
      close: () => void this.pending.delete(reader),
    };
    this.pending.set(reader, new Uint8Array(0));
    return reader;
  }

  /** @returns false where the runtime does not tell. */
  private gather(): boolean {
    const written = this.image?.written?.();
    if (!written) return false;
    for (const [reader, before] of this.pending) this.pending.set(reader, union(before, written));
    return true;
  }
}

function union(before: Uint8Array, more: WrittenBlocks): Uint8Array {
  const bits = before.length >= more.length ? before : new Uint8Array(more.length);
  if (bits !== before) bits.set(before);
  for (let i = 0; i < more.length; i++) bits[i]! |= more[i]!;
  return bits;
}
