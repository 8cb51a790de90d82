/** The example's process: `npm start [-- --once] [--day-seconds N] [--horizon-seconds N] [--data FOLDER]`. */
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { calibrate } from './calibrate.js';
import { shapeDay } from './day.js';
import { runInteractive } from './interactive.js';
import { runOnce } from './once.js';
import { buildPrograms, readFlights } from './programs.js';
import { Terminal } from './terminal.js';

const SLOT_MS = 100;
const BUSY_LOAD_RATIO = 0.75;
const USAGE = `npm start                     the recorded day again and again, with a live view
npm start -- --once           the same day without moves and with them, and a summary
  --day-seconds N             what a day is compressed to, 20 to 3600 (75)
  --horizon-seconds N         how far forecasts reach, 2 to 600 (20)
  --data FOLDER               where to keep data (not with --once)
`;
const terminal = new Terminal(process.stdout, process.env);
const ending = new AbortController();

interface Arguments {
  readonly once: boolean;
  readonly daySeconds: number;
  readonly horizonSeconds: number;
  readonly data: string | undefined;
}

/** @returns what was wrong, as text, for arguments that cannot be used. */
function readArguments(argv: readonly string[]): Arguments | 'help' | { readonly wrong: string } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { once: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false }, 'day-seconds': { type: 'string', default: '75' }, 'horizon-seconds': { type: 'string', default: '20' }, data: { type: 'string' } },
    });
    if (values.help) return 'help';
    const daySeconds = Number(values['day-seconds']);
    const horizonSeconds = Number(values['horizon-seconds']);
    if (!(daySeconds >= 20 && daySeconds <= 3_600)) return { wrong: `--day-seconds must be 20 to 3600, but is ${values['day-seconds']}` };
    if (!(horizonSeconds >= 2 && horizonSeconds <= 600)) return { wrong: `--horizon-seconds must be 2 to 600, but is ${values['horizon-seconds']}` };
    if (values.once && values.data !== undefined) return { wrong: '--once takes fresh data; give either --once or --data' };
    return { once: values.once, daySeconds, horizonSeconds, data: values.data };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

/** The first signal ends everything in order; the second does not wait. */
function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(130);
      ending.abort(new Error(`ended by ${signal}`));
    });
  }
}

/** Devices get what the machine has left: on one that is busy already, messages are late whatever is moved where. */
function busyElsewhere(): string | undefined {
  const [load = 0] = loadavg();
  const cores = availableParallelism();
  return load > BUSY_LOAD_RATIO * cores ? `note: this machine is busy with other work (load ${load.toFixed(1)} on ${cores} cores); the devices may not get their cores, and figures suffer` : undefined;
}

async function main({ once, daySeconds, horizonSeconds, data }: Arguments): Promise<number> {
  const { signal } = ending;
  const say = (line: string): void => terminal.step(line);
  const busy = busyElsewhere();
  if (busy) say(busy);
  say('building the programs of the threads');
  const [programs, flights] = await Promise.all([buildPrograms(), readFlights()]);
  const day = shapeDay(flights, { lengthMs: daySeconds * 1_000, slotMs: SLOT_MS });
  say(`${day.flights} flights, one day in ${daySeconds} s; measuring this machine`);
  const calibration = await calibrate(programs, day);
  signal.throwIfAborted();
  say(`network makes ${calibration.assumptions} searches for each flight: about ${calibration.busyCores.toFixed(2)} cores in the busy hours`);
  const horizonMs = horizonSeconds * 1_000;
  if (once) return (await runOnce({ day, programs, calibration, horizonMs, say: (line) => terminal.say(line), signal })) ? 0 : 1;
  await runInteractive({ day, programs, assumptions: calibration.assumptions, horizonMs, dataDir: data, terminal, signal });
  return 0;
}

const given = readArguments(process.argv.slice(2));
if (given === 'help') process.stdout.write(USAGE);
else if ('wrong' in given) {
  process.stderr.write(`${given.wrong}\n${USAGE}`);
  process.exitCode = 2;
} else {
  endOnSignals();
  try {
    process.exitCode = await main(given);
  } catch (error) {
    terminal.closeScreen();
    if (!ending.signal.aborted) process.stderr.write(`flights: ${(error as Error).message}\n`);
    process.exitCode = ending.signal.aborted ? 130 : 1;
  }
}
