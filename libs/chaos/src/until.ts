import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 40;

/** Asks until there is an answer. @throws Error that names what was waited for. */
export async function until<T>(what: string, limitMs: number, look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (const startedMs = performance.now(); ;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() - startedMs > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await delay(LOOK_MS);
  }
}

/** The answer that comes in time, else undefined. */
export async function within<T>(limitMs: number, look: () => Promise<T | undefined | false>): Promise<T | undefined> {
  for (const startedMs = performance.now(); performance.now() - startedMs <= limitMs; await delay(LOOK_MS)) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
  }
  return undefined;
}
