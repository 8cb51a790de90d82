/** `godwit up`: all of Godwit on this machine, until Ctrl-C. */
import { readFile } from 'node:fs/promises';
import { isRefusal, OperationError, refuse, type Code, type Refusal } from '@godwit/kernel';
import { parseDevices, POLICIES, startLocal, type LocalGodwit, type LocalOptions, type Policy } from '@godwit/local';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../exit-codes.js';

/** As shells say it of a program that Ctrl-C ended before it was ready. */
const INTERRUPTED = 130;
const EXIT_OF: Partial<Record<Code, number>> = {
  'invalid-field': EXIT.usage, 'malformed-message': EXIT.usage, 'not-found': EXIT.notFound, 'timeout': EXIT.timeout,
  'no-capacity': EXIT.refused, 'data-locked': EXIT.refused, 'unsafe-durability': EXIT.refused,
};

interface UpFlags {
  readonly once?: boolean;
  readonly data?: string;
  readonly policy?: Policy;
  readonly devices?: string;
  readonly httpPort?: number;
  readonly horizon?: number;
  readonly unsafeDurability?: boolean;
  /** Of the whole command line: one line of JSON on stdout when all is ready; the progress goes to stderr. */
  readonly json?: boolean;
}

export function upCommand(): Command {
  return new Command('up')
    .description('start all of Godwit on this machine: NATS, Redis, every service and a few local devices; Ctrl-C ends it')
    .addOption(new Option('--once', 'use a fresh data folder and remove it at the end').conflicts('data'))
    .option('--data <dir>', 'data folder; a second start resumes what it holds (default: .godwit/data of the repository)')
    .addOption(new Option('--policy <policy>', 'when threads are moved').choices([...POLICIES]).default('predictive'))
    .option('--devices <file.json>', 'local devices: a JSON list in the form of the event device-registered')
    .option('--http-port <port>', 'port of the API (default: a free one)', wholeNumber)
    .option('--horizon <seconds>', 'how far forecasts reach, 1 to 600 s', seconds)
    .option('--unsafe-durability', 'start although NATS may acknowledge before the disk has it')
    .action(async (_flags: UpFlags, command: Command) => {
      process.exitCode = await up(command.optsWithGlobals<UpFlags>());
    });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 0 to 65535.');
  return Number(text);
}
function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('must be a number of seconds.');
  return value;
}

/** @returns the exit code, when everything has ended. */
async function up(flags: UpFlags): Promise<number> {
  const startedAtMs = performance.now();
  const progress = flags.json ? process.stderr : process.stdout;
  const say = (line: string): void => void progress.write(`${((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  const options = await optionsOf(flags);
  if (isRefusal(options)) return fail(options);
  const stopper = new Stopper(say);
  try {
    const local = await startLocal({ ...options, onLine: say, signal: stopper.signal });
    if (isRefusal(local)) return fail(local);
    stopper.own(local);
    process.stdout.write(flags.json ? `${JSON.stringify(addresses(local))}\n` : `\n${where(local, flags)}\n`);
    await stopper.stopped;
    return EXIT.ok;
  } catch (error) {
    if (stopper.signal.aborted) return INTERRUPTED;
    if (error instanceof OperationError) return fail(error);
    throw error;
  } finally {
    stopper.close();
  }
}

async function optionsOf(flags: UpFlags): Promise<LocalOptions | Refusal> {
  const devices = flags.devices === undefined ? undefined : await readDevices(flags.devices);
  if (isRefusal(devices)) return devices;
  return {
    ...(flags.once ? { once: true } : {}), ...(flags.data === undefined ? {} : { dataDir: flags.data }), ...(flags.policy ? { policy: flags.policy } : {}),
    ...(devices ? { devices } : {}), ...(flags.httpPort === undefined ? {} : { httpPort: flags.httpPort }),
    ...(flags.horizon === undefined ? {} : { horizonMs: flags.horizon * 1_000 }), ...(flags.unsafeDurability ? { unsafeDurability: true } : {}),
  };
}

async function readDevices(path: string): Promise<ReturnType<typeof parseDevices>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => refuse('invalid-field', `--devices ${path}: cannot be read (${error.code ?? error.message})`, 'devices'));
  if (typeof text !== 'string') return text;
  try {
    return parseDevices(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return refuse('malformed-message', `--devices ${path}: not JSON (${cause.message})`, 'devices');
  }
}

function fail(why: Refusal | OperationError): number {
  process.stderr.write(`godwit: ${isRefusal(why) ? why.reason : why.message}\n`);
  return EXIT_OF[why.code] ?? EXIT.failed;
}

const addresses = ({ url, docsUrl, natsUrl, redisUrl, dataDir, logsDir }: LocalGodwit) => ({ url, docsUrl, natsUrl, redisUrl, dataDir, logsDir, pid: process.pid });

function where(local: LocalGodwit, flags: UpFlags): string {
  // Other commands look for the default data folder only.
  const elsewhere = flags.once || flags.data !== undefined ? [`  for other commands: export GODWIT_URL=${local.url}`] : [];
  return [
    `  API    ${local.url}`, `  docs   ${local.docsUrl}`, `  data   ${local.dataDir}`, `  logs   ${local.logsDir}`, `  NATS   ${local.natsUrl}`, `  Redis  ${local.redisUrl}`,
    ...elsewhere, '', 'Ctrl-C ends all of it in order; a second Ctrl-C ends it at once.',
  ].join('\n');
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first signal ends everything in order, the second at once. */
class Stopper {
  readonly stopped: Promise<void>;
  private readonly control = new AbortController();
  private local: LocalGodwit | undefined;
  private settle: () => void = () => undefined;
  private fail: (error: unknown) => void = () => undefined;

  constructor(private readonly say: (line: string) => void) {
    this.stopped = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
  }

  get signal(): AbortSignal {
    return this.control.signal;
  }

  own(local: LocalGodwit): void {
    this.local = local;
    if (this.signal.aborted) this.stop();
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
  }

  private readonly onSignal = (): void => {
    if (!this.signal.aborted) {
      this.say('ending; once more ends it at once');
      this.control.abort();
      if (this.local) this.stop();
      return;
    }
    if (!this.local) process.exit(INTERRUPTED); // the processes end when this one does
    this.say('ended at once');
    void this.local.stop({ force: true });
  };

  private stop(): void {
    this.local!.stop().then(() => {
      this.say('ended');
      this.settle();
    }, this.fail);
  }
}
