/**
 * How fast a thread changes its state: blocks that differ from one checkpoint to the next, by time. A lower bound, since a
 * block that is written twice between two checkpoints counts once; what a live copy would have to send again is no more.
 */
import type { MonotonicMs } from '@godwit/kernel';

export class DirtyRate {
  private previousMs: MonotonicMs | undefined;
  /** Undefined until two checkpoints have been seen. */
  bytesPerSecond: number | undefined;

  /** @param dirtyBytes changed since the checkpoint before; undefined for a first one */
  seen(dirtyBytes: number | undefined, atMs: MonotonicMs): void {
    const beforeMs = this.previousMs;
    this.previousMs = atMs;
    if (dirtyBytes === undefined || beforeMs === undefined || atMs <= beforeMs) return;
    this.bytesPerSecond = dirtyBytes / ((atMs - beforeMs) / 1_000);
  }
}
