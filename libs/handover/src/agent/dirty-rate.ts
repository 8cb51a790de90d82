/**
 * How fast a thread changes its state: pages that differ from one checkpoint to the next, by time. A lower bound, since a
 * page that is written twice between two checkpoints counts once; what a live copy would have to send again is no more.
 */
import type { MonotonicMs } from '@godwit/kernel';
import type { PageHash } from '../ports.js';

const PAGE_BYTES = 4096;

export class DirtyRate {
  private previous: { readonly atMs: MonotonicMs; readonly digests: readonly Uint32Array[] } | undefined;
  /** Undefined until two snapshots have been seen. */
  bytesPerSecond: number | undefined;

  constructor(private readonly hash: PageHash) {}

  /** @param parts an encoded snapshot; the same parts in the same order each time. */
  seen(parts: readonly Uint8Array[], atMs: MonotonicMs): void {
    const digests = parts.map((part) => pageDigests(part, this.hash));
    const before = this.previous;
    this.previous = { atMs, digests };
    if (!before || atMs <= before.atMs) return;
    const pages = digests.reduce((sum, part, i) => sum + changed(before.digests[i], part), 0);
    this.bytesPerSecond = (pages * PAGE_BYTES) / ((atMs - before.atMs) / 1_000);
  }
}

function pageDigests(part: Uint8Array, hash: PageHash): Uint32Array {
  const digests = new Uint32Array(Math.ceil(part.length / PAGE_BYTES));
  for (let page = 0; page < digests.length; page++) digests[page] = hash(part.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
  return digests;
}

/** Pages that are new, gone or different. */
function changed(before: Uint32Array | undefined, now: Uint32Array): number {
  let count = Math.abs(now.length - (before?.length ?? 0));
  for (let page = 0; page < Math.min(now.length, before?.length ?? 0); page++) if (now[page] !== before![page]) count++;
  return count;
}
