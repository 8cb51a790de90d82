/**
 * The host's side of write tracking (`write-tracking.ts`): takes the cards that the program has marked, and marks those
 * of what the host itself writes.
 */
import type { WrittenBlocks } from '@godwit/snapshot';
import { CARD_BYTES } from './abi.js';

/** Marks what was written for the program in [from, from + bytes), after it was written. */
export function markWritten(cards: Uint8Array, from: number, bytes: number): void {
  if (bytes > 0) cards.fill(1, Math.floor(from / CARD_BYTES), Math.floor((from + bytes - 1) / CARD_BYTES) + 1);
}

export class WrittenCards {
  private readonly words: Int32Array;
  private before: Uint8Array = new Uint8Array(0);
  private begun = false;

  /** @param cards a shared memory, a byte for each block; the program may be marking them meanwhile */
  constructor(cards: WebAssembly.Memory) {
    this.words = new Int32Array(cards.buffer);
  }

  /**
   * What may have been written since the last call: a bit for each block of a memory of so many bytes. Undefined at the
   * first call. Each write is told twice: where processors reorder stores, its mark may be seen before the write itself.
   */
  take(memoryBytes: number): WrittenBlocks | undefined {
    const blocks = memoryBytes / CARD_BYTES;
    const fresh = new Uint8Array(Math.ceil(blocks / 8));
    const mark = (block: number): void => { if (block < blocks) fresh[block >> 3]! |= 1 << (block & 7); };
    const { words } = this;
    for (let word = 0; word * 4 < blocks; word++) {
      if (words[word] === 0) continue;
      // A full fence: what is read of the memory afterwards is not older than the marks that were taken.
      const marks = Atomics.exchange(words, word, 0);
      for (let byte = 0; byte < 4; byte++) {
        if (((marks >>> (byte * 8)) & 0xff) === 0) continue;
        mark(word * 4 + byte);
        mark(word * 4 + byte + 1);
      }
    }
    const both = fresh.slice();
    for (let i = 0; i < this.before.length; i++) both[i]! |= this.before[i]!;
    this.before = fresh;
    const first = !this.begun;
    this.begun = true;
    return first ? undefined : both;
  }
}
