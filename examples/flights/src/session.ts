/** One Godwit on this machine with the application on it: started, registered, running, watched; and ended. */
import { setTimeout as delay } from 'node:timers/promises';
import { GodwitClient } from '@godwit/client';
import { isRefusal, OperationError, type DurationMs } from '@godwit/kernel';
import { startLocal, type LocalGodwit, type LocalOptions } from '@godwit/local';
import { LOADED } from './account.js';
import { applicationJson, threadJson } from './application.js';
import { send } from './feeder.js';
import { beginning } from './live-state.js';
import { nowMs, Observer } from './observer.js';
import { THREADS, type Programs } from './programs.js';

export interface SessionOptions {
  readonly local: LocalOptions;
  readonly programs: Programs;
  readonly assumptions: number;
  readonly title: string;
  readonly keepRows: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}
export interface Session {
  readonly local: LocalGodwit;
  readonly client: GodwitClient;
  readonly observer: Observer;
  close(): Promise<void>;
}

/** All four threads run and have been sampled. */
const RUNNING_LIMIT_MS: DurationMs = 60_000;
const LOOK_MS: DurationMs = 100;
const CALM_LIMIT_MS: DurationMs = 20_000;
/** Well below what a placement may risk. */
const CALM_RISK_RATIO = 0.05;

/** @throws OperationError with the reason when Godwit cannot be started, or a thread does not run in time. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { say, signal } = options;
  const local = await startLocal({ ...options.local, onLine: say, signal });
  if (isRefusal(local)) throw new OperationError(local.code, local.reason, { effect: 'none' });
  let observer: Observer | undefined;
  const close = async (): Promise<void> => {
    await observer?.close();
    await local.stop();
  };
  try {
    const client = new GodwitClient({ url: local.url });
    const state = beginning({ title: options.title, nowMs: nowMs(), devices: local.devices, notes: notes(local) });
    observer = await Observer.open({ natsUrl: local.natsUrl, state, keepRows: options.keepRows, onProblem: say });
    await register(client, observer, options);
    await observer.follow();
    await whenRunning(observer, signal);
    return { local, client, observer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const notes = ({ url, docsUrl, natsUrl }: LocalGodwit): string[] => [
  `API ${url}   documentation (OpenAPI) ${docsUrl}   NATS ${natsUrl}`,
  `another terminal: npx godwit ps · npx godwit devices · npx godwit why network · npx godwit migrate network d-small      Ctrl-C ends everything`,
];

/** A data folder that was used before holds the threads already; they go on where they stood. */
async function register(client: GodwitClient, observer: Observer, { programs, assumptions, say, signal }: SessionOptions): Promise<void> {
  await client.registerApplication(applicationJson());
  const known = new Map((await client.threads({ limit: 500 })).items.map((thread) => [thread.thread, thread]));
  for (const thread of THREADS) {
    const { sha256 } = await client.uploadProgram(programs[thread], thread === 'network' ? 'application/wasm' : 'text/javascript');
    const present = known.get(thread);
    if (present && present.programSha256 !== sha256) {
      throw new OperationError('conflict', `the data folder holds another version of the thread ${thread}: remove the folder, or give another one with --data`, { effect: 'none' });
    }
    if (present) say(`${thread} goes on where it stood`);
    else {
      if (thread === LOADED) await whenCalm(observer, signal);
      await send(() => client.registerThread(threadJson(thread, sha256, assumptions)));
      say(`${thread} registered, program ${sha256.slice(0, 12)}…`);
    }
  }
}

/**
 * What starting a runner costs looks like demand for some seconds. Placed meanwhile, `network` would begin on one device
 * in one run and on another in the next, and the runs could not be compared. Waits at most `CALM_LIMIT_MS`; whether both
 * began alike is judged in the summary.
 */
async function whenCalm(observer: Observer, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + CALM_LIMIT_MS;
  const isCalm = (): boolean => [...observer.state.devices.values()].every(({ forecast }) => forecast !== undefined && (forecast.riskRatio ?? 1) < CALM_RISK_RATIO);
  while (!isCalm() && performance.now() < untilMs) await delay(LOOK_MS, undefined, { signal });
}

async function whenRunning(observer: Observer, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + RUNNING_LIMIT_MS;
  while (!THREADS.every((thread) => observer.isRunning(thread))) {
    if (performance.now() > untilMs) {
      const waiting = THREADS.filter((thread) => !observer.isRunning(thread));
      throw new OperationError('timeout', `${waiting.join(', ')} did not run within ${RUNNING_LIMIT_MS / 1_000} s; last decision: ${observer.state.decisions.at(-1)?.reason ?? 'none'}`, { effect: 'unknown' });
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}
