/** The host's side of the core's small ports: clocks, ids, hashes, text. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock, IdSource, Sha256, Sha256Of, Timers } from '@godwit/kernel';
import type { Utf8 } from '@godwit/snapshot';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  // CLOCK_MONOTONIC: the same for all processes of one boot, so stamps of two agents on one host compare.
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
};

/** Node's timers. They keep no process alive: a service lives by its connections. */
export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};

/** Ids such as `m-3f9c01ab2d`: 40 random bits, plenty for the lifetime of one registry. */
export const randomIds: IdSource = { next: (prefix) => `${prefix}-${randomBytes(5).toString('hex')}` };

export const sha256: Sha256Of = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex') as Sha256;
};

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();
export const utf8: Utf8 = { encode: (text) => encoder.encode(text), decode: (bytes) => decoder.decode(bytes) };
