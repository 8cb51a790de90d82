/** `npm start -- --once`: the same recorded day twice on fresh data, without moves and with them, and what came of it. */
import type { DurationMs } from '@godwit/kernel';
import type { Policy } from '@godwit/local';
import { SERVICE_ENV } from './application.js';
import { accountOf, readRecords, replay, whenExited, type Observed, type Records, type Replays } from './account.js';
import type { Calibration } from './calibrate.js';
import type { Day } from './day.js';
import { feedDay, send } from './feeder.js';
import { nowMs } from './observer.js';
import { renderChanges } from './render.js';
import { THREADS, type Programs } from './programs.js';
import { report } from './report.js';
import { openSession, type Session } from './session.js';

export interface OnceOptions {
  readonly day: Day;
  readonly programs: Programs;
  readonly calibration: Calibration;
  readonly horizonMs: DurationMs;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}
const CHANGES_EVERY_MS = 250;

interface Run {
  readonly observed: Observed;
  readonly records: Records;
}

/** @returns true when every promise was kept. */
export async function runOnce(options: OnceOptions): Promise<boolean> {
  const { programs, say } = options;
  const { assumptions, migratable } = options.calibration;
  const replayed = (run: Run): Promise<Replays> => replay(run.records, { programs, assumptions, migratable });
  say('— first run: migration off —');
  const off = await runDay('off', options);
  say('replaying its journal in this process, unmoved');
  const offReplay = await replayed(off);
  say('— second run: migration on (predictive) —');
  const on = await runDay('predictive', options);
  say('replaying its journal in this process, unmoved');
  const { lines, kept } = report(accountOf(off.observed, off.records, offReplay), accountOf(on.observed, on.records, await replayed(on)));
  for (const line of lines) say(line);
  return kept;
}

async function runDay(policy: Policy, options: OnceOptions): Promise<Run> {
  const { day, programs, calibration, horizonMs, say, signal } = options;
  const session = await openSession({
    local: { once: true, policy, horizonMs, env: SERVICE_ENV }, programs, assumptions: calibration.assumptions, title: `policy ${policy}`, keepRows: true, say, signal,
  });
  const stopTelling = tellChanges(session, say);
  try {
    const flightsIn = await feedDay({ client: session.client, day, nth: 1, prefix: 'day-1', flightsBefore: 0, take: (event) => session.observer.take(event), signal });
    signal.throwIfAborted();
    say(`${flightsIn} flights sent; ending the threads one after the other`);
    await end(session);
    stopTelling();
    const { observer } = session;
    return { observed: { policy, flightsIn, state: observer.state, rows: observer.rows }, records: await readRecords(observer.journal) };
  } finally {
    stopTelling();
    await session.close();
  }
}

/** In the order of the data: a thread's input ends when all that its producers made is before it in the journal. */
async function end({ client, observer }: Session): Promise<void> {
  for (const thread of THREADS) {
    await send(() => client.endInput(thread, { requestId: 'end' }));
    await whenExited(observer.journal, thread);
  }
}

function tellChanges({ observer }: Session, say: (line: string) => void): () => void {
  let told = observer.state;
  const tell = (): void => {
    observer.take({ type: 'tick', nowMs: nowMs() });
    const { state } = observer;
    for (const line of renderChanges(told, state)) say(line);
    told = state;
  };
  const timer = setInterval(tell, CHANGES_EVERY_MS);
  return () => clearInterval(timer);
}
