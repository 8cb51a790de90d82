/**
 * Owners without a lease about whom something must be done although nobody here has seen the lease end: it may have ended
 * before this controller began, or their take-over failed. Asked again now and then, since a device that can take them may come.
 */
import type { DeviceId, DurationMs, MonotonicMs } from '@godwit/kernel';

const FIRST_MS: DurationMs = 10_000;
const AGAIN_MS: DurationMs = 30_000;

export class Orphans {
  private readonly dueMs = new Map<DeviceId, MonotonicMs>();

  /** @param lost devices that own threads and hold no lease now; @returns those that have been among them for long */
  due(lost: ReadonlySet<DeviceId>, nowMs: MonotonicMs): DeviceId[] {
    for (const device of this.dueMs.keys()) if (!lost.has(device)) this.dueMs.delete(device);
    const due: DeviceId[] = [];
    for (const device of lost) {
      const atMs = this.dueMs.get(device) ?? nowMs + FIRST_MS;
      if (atMs <= nowMs) due.push(device);
      this.dueMs.set(device, atMs <= nowMs ? nowMs + AGAIN_MS : atMs);
    }
    return due;
  }
}
