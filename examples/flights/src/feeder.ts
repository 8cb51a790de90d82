/** Replays a day through the API: each slot at its time, in order, under a request id that may be sent again. */
import { setTimeout as delay } from 'node:timers/promises';
import { GodwitError, type GodwitClient } from '@godwit/client';
import type { Day } from './day.js';
import type { LiveEvent } from './live-state.js';

const TRIES = 5;
const RETRY_MS = 200;

export interface Feed {
  readonly client: GodwitClient;
  readonly day: Day;
  /** Which day of this run, from 1. */
  readonly nth: number;
  /** Begins every request id: `[a-z0-9-]`, other for each run and day. */
  readonly prefix: string;
  readonly flightsBefore: number;
  readonly take: (event: LiveEvent) => void;
  readonly signal: AbortSignal;
}

/** Resolves with the number of flights sent when the day is over, or earlier when the signal says so. */
export async function feedDay({ client, day, nth, prefix, flightsBefore, take, signal }: Feed): Promise<number> {
  const beganMs = performance.now();
  let flights = 0;
  const tell = (): void => take({ type: 'day', day: nth, ratio: Math.min(1, (performance.now() - beganMs) / day.lengthMs), flightsSent: flightsBefore + flights });
  const clock = setInterval(tell, 250);
  try {
    for (const [index, slot] of day.slots.entries()) {
      const waitMs = beganMs + slot.afterMs - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
      signal.throwIfAborted();
      await send(() => client.input('intake', [{ text: slot.csv }], { requestId: `${prefix}-${index}` }));
      flights += slot.flights;
    }
    await delay(Math.max(0, beganMs + day.lengthMs - performance.now()), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(clock);
    tell();
  }
  return flights;
}

/** The same request id again cannot double anything, so a lost answer is asked for again. */
export async function send<Reply>(request: () => Promise<Reply>): Promise<Reply> {
  for (let tried = 1; ; tried++) {
    try {
      return await request();
    } catch (error) {
      const isRefused = error instanceof GodwitError && error.status >= 400 && error.status < 500;
      if (isRefused || tried === TRIES) throw error;
      await delay(RETRY_MS * tried);
    }
  }
}
