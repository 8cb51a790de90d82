/** `npm start`: the recorded day again and again, with the live view, until Ctrl-C. */
import { GodwitError } from '@godwit/client';
import type { DurationMs } from '@godwit/kernel';
import { randomIds } from '@godwit/shell';
import { LOADED } from './account.js';
import { SERVICE_ENV } from './application.js';
import type { Day } from './day.js';
import { feedDay } from './feeder.js';
import type { LiveState } from './live-state.js';
import { nowMs } from './observer.js';
import type { Programs } from './programs.js';
import { renderChanges, renderScreen } from './render.js';
import { openSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

export interface InteractiveOptions {
  readonly day: Day;
  readonly programs: Programs;
  readonly assumptions: number;
  readonly horizonMs: DurationMs;
  readonly dataDir: string | undefined;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}
const REDRAW_MS = 250;
/** A thread may be moved six times in ten minutes; a night and a morning of every third day stay below that. */
const RETURN_EVERY_DAYS = 3;

export async function runInteractive(options: InteractiveOptions): Promise<void> {
  const { day, programs, assumptions, horizonMs, dataDir, terminal, signal } = options;
  const session = await openSession({
    local: { policy: 'predictive', horizonMs, env: SERVICE_ENV, ...(dataDir === undefined ? {} : { dataDir }) }, programs, assumptions, title: 'where do delays spread?', keepRows: false,
    say: (line) => terminal.say(line), signal,
  });
  const { observer, client } = session;
  let told: LiveState = observer.state;
  for (const note of told.notes) terminal.say(note);
  terminal.openScreen();
  const draw = setInterval(() => {
    observer.take({ type: 'tick', nowMs: nowMs() });
    if (terminal.isScreen) terminal.draw(renderScreen(observer.state, terminal.size()));
    else for (const line of renderChanges(told, observer.state)) terminal.say(line);
    told = observer.state;
  }, REDRAW_MS);
  const run = randomIds.next('day');
  try {
    let flights = 0;
    for (let nth = 1; !signal.aborted; nth++) {
      if (nth % RETURN_EVERY_DAYS === 1) await returnAtNight(session, terminal);
      flights += await feedDay({ client, day, nth, prefix: `${run}-${nth}`, flightsBefore: flights, take: (event) => observer.take(event), signal });
    }
  } finally {
    clearInterval(draw);
    terminal.closeScreen();
    terminal.say('ending everything');
    await session.close();
    terminal.say('ended');
  }
}

/** What an operator would do at night: `network` goes back to the cheapest device, by hand, through the API. */
async function returnAtNight({ client, observer, local }: Session, terminal: Terminal): Promise<void> {
  const cheapest = local.devices.reduce((best, device) => (device.pricePerHour < best.pricePerHour ? device : best)).device;
  if (observer.state.threads.get(LOADED)?.device === cheapest) return;
  try {
    await client.migrate(LOADED, cheapest, 'it is night: back to the cheapest device');
  } catch (error) {
    if (!(error instanceof GodwitError)) throw error;
    // Refused, with a reason: then it stays where it is, which is no harm.
    terminal.say(`${LOADED} stays on its device: ${error.message}`);
  }
}
