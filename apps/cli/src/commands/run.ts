/** `run`: from a file to a running thread. `rm`: away with it. */
import type { NewThread, Thread } from '@godwit/client';
import { Option, type Command } from 'commander';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { openSession, pause, type Session, type Terminal } from '../cli.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { id, ids, pair, positive, whole } from '../options.js';
import { followOutputs } from './journal.js';

const MIB = 1024 * 1024;
/** One input record carries so much of `--stdin`. */
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const DEFAULT_SHADOW_LAG_MS = 1_000;
/** Longest wait for a device to take the thread, and how often we look. */
const PLACEMENT = { limitMs: 15_000, everyMs: 250 } as const;

const KINDS = {
  '.wasm': { runtime: 'wasm', type: 'application/wasm' }, '.js': { runtime: 'task', type: 'text/javascript' }, '.mjs': { runtime: 'task', type: 'text/javascript' },
} as const;
/** For the runtime `process`: an ELF executable or a script, known by how it begins. */
const EXECUTABLE = { runtime: 'process', type: 'application/x-executable' } as const;
const EXECUTABLE_MAGIC = [Buffer.from('\x7fELF', 'latin1'), Buffer.from('#!')];
type Kind = (typeof KINDS)[keyof typeof KINDS] | typeof EXECUTABLE;

export interface RunOptions {
  readonly name?: string;
  readonly app?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly device?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly memory?: number;
  readonly tick?: number;
  readonly freezeBudget?: number;
  readonly shadow?: 'interval' | 'continuous';
  readonly shadowLag?: number;
  readonly shadowOn?: string;
  readonly deterministic: boolean;
  readonly stdin?: string;
  readonly follow?: boolean;
}

/** An id from a file's name: `Word Count.wasm` gives `word-count`. */
export const nameOf = (file: string): string => basename(file, extname(file)).toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 64);

export function kindOf(file: string, program: Uint8Array): Kind {
  const executable = EXECUTABLE_MAGIC.some((magic) => magic.equals(program.subarray(0, magic.length)));
  const kind = KINDS[extname(file).toLowerCase() as keyof typeof KINDS] ?? (executable ? EXECUTABLE : undefined);
  if (!kind) throw new CommandFailure(EXIT.usage, `${file}: a .wasm module, a .js or .mjs task module, an ELF executable or a #! script is expected`, 'Compile C, C++ or Rust for wasm32-wasip1 first.');
  return kind;
}

/** The registration that the options ask for. @param producer the first thread that it subscribes to: they share a shard. */
export function registration(thread: string, kind: Kind, programSha256: string, options: RunOptions, producer: Pick<Thread, 'application' | 'shard'> | undefined): NewThread {
  return {
    thread, application: options.app ?? producer?.application ?? thread, runtime: kind.runtime, programSha256,
    // A process takes time and chance from its machine.
    deterministic: options.deterministic && kind.runtime !== 'process',
    ...(producer ? { shard: producer.shard } : {}), ...(options.args ? { args: options.args } : {}), ...(options.env ? { env: options.env } : {}),
    ...(options.subscribe ? { subscribes: options.subscribe } : {}), ...(options.tick === undefined ? {} : { tickMs: options.tick }),
    ...(options.device ? { affinity: { devices: options.device } } : {}), ...(options.memory === undefined ? {} : { limits: { memoryBytes: Math.round(options.memory * MIB) } }),
    ...(options.freezeBudget === undefined ? {} : { goals: { freezeBudgetMs: options.freezeBudget } }), ...shadowOf(options),
  };
}

/** A lag or a device alone ask for a shadow too. */
function shadowOf({ shadow, shadowLag, shadowOn }: RunOptions): Pick<NewThread, 'shadow'> {
  if (shadow === undefined && shadowLag === undefined && shadowOn === undefined) return {};
  const policy = shadow ?? (shadowLag === undefined ? 'interval' : 'continuous');
  return { shadow: { policy, lagLimitMs: shadowLag ?? DEFAULT_SHADOW_LAG_MS, ...(shadowOn === undefined ? { placement: 'other-rack' } : { placement: 'named', device: shadowOn }) } };
}

/** Pieces of at most `CHUNK_BYTES`, cut behind a newline where there is one. */
export function* chunks(bytes: Uint8Array, mostBytes = CHUNK_BYTES): Generator<Uint8Array, void, void> {
  for (let from = 0; from < bytes.length;) {
    const end = Math.min(bytes.length, from + mostBytes);
    const newline = end === bytes.length ? -1 : bytes.lastIndexOf(NEWLINE, end - 1);
    const to = newline >= from ? newline + 1 : end;
    yield bytes.subarray(from, to);
    from = to;
  }
}

async function bytesOf(file: string, terminal: Terminal): Promise<Uint8Array> {
  if (file === '-') return terminal.stdin();
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CommandFailure(EXIT.notFound, `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`);
  }
}

async function ensureApplication({ client }: Session, application: string): Promise<void> {
  for await (const known of client.all((page) => client.applications(page))) if (known.application === application) return;
  await client.registerApplication({ application });
}

/** Ids by content: giving the same file again after a failure appends only what is missing. */
async function giveInput({ client }: Session, thread: string, bytes: Uint8Array): Promise<number> {
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  let n = 0;
  for (const chunk of chunks(bytes)) await client.inputBytes(thread, chunk, { requestId: `stdin-${digest}-${++n}` });
  await client.endInput(thread, { requestId: `stdin-${digest}-end` });
  return n;
}

/** Undefined when none took it in time. */
async function placed({ client, terminal }: Session, thread: string): Promise<Thread | undefined> {
  const deadlineMs = terminal.nowMs() + PLACEMENT.limitMs;
  for (;;) {
    const now = await client.thread(thread);
    if (now.owner) return now;
    if (terminal.nowMs() > deadlineMs || terminal.interrupted.aborted) return undefined;
    await pause(PLACEMENT.everyMs, terminal.interrupted);
  }
}

async function run(session: Session, file: string, options: RunOptions): Promise<void> {
  const { client, json, terminal } = session;
  const thread = options.name ?? nameOf(file);
  if (thread === '') throw new CommandFailure(EXIT.usage, `${file}: its name gives no id`, 'Name the thread with --name.');
  const program = await bytesOf(file, terminal);
  const kind = kindOf(file, program);
  const input = options.stdin === undefined ? undefined : await bytesOf(options.stdin, terminal);
  const producer = options.subscribe?.[0] === undefined ? undefined : await client.thread(options.subscribe[0]);
  const { sha256 } = await client.uploadProgram(program, kind.type);
  const asked = registration(thread, kind, sha256, options, producer);
  await ensureApplication(session, asked.application);
  await client.registerThread(asked);
  if (input) await giveInput(session, thread, input);
  // What is told beside the outputs goes to stderr, so that they can be piped.
  const tell = (text: string): void => { if (!json) terminal[options.follow ? 'err' : 'out'](`${text}\n`); };
  tell(`${thread}: registered in ${asked.application}, program ${sha256.slice(0, 12)}${input ? `, ${input.length} bytes of input` : ''}`);
  const now = await placed(session, thread);
  tell(now?.owner ? `${thread}: runs on ${now.owner.device}` : `${thread}: no device has taken it yet; \`godwit why ${thread}\` tells why`);
  if (!options.follow) {
    if (json) session.line(JSON.stringify(now ?? (await client.thread(thread))));
    return;
  }
  const code = await followOutputs(session, thread, 0);
  if (code !== undefined && code !== 0) throw new CommandFailure(EXIT.failed, `${thread} ended with exit code ${code}`);
}

export function addRun(program: Command, terminal: Terminal): void {
  program.command('run').description('run a .wasm module, a .js/.mjs task module, or a Linux executable or script as a thread').argument('<file>', 'the program')
    .option('--name <id>', 'the thread’s id; default: the file’s name', id).option('--app <id>', 'its application, made if missing; default: the thread’s id', id)
    .option('--args <values...>', 'the program’s arguments').option('--env <NAME=VALUE>', 'an environment variable; repeatable', pair)
    .option('--device <id>', 'only on this device; repeatable', ids).option('--subscribe <id>', 'consume the outputs of this thread; repeatable', ids)
    .option('--memory <MiB>', 'most memory', positive).option('--tick <ms>', 'period of its own timer', whole).option('--freeze-budget <ms>', 'longest freeze a migration may cost', positive)
    .addOption(new Option('--shadow <policy>', 'a standby on another device').choices(['interval', 'continuous'])).option('--shadow-lag <ms>', 'how far it may be behind, 50 to 60000', positive).option('--shadow-on <id>', 'on this device', id)
    .option('--no-deterministic', 'replay does not give the same outputs').option('--stdin <file>', 'its input; - for stdin').option('--follow', 'print its outputs as they come')
    .action(async (file: string, options: RunOptions, command: Command) => run(await openSession(command, terminal), file, options));
  program.command('rm').description('remove a thread').argument('<thread>', 'the thread', id)
    .action(async (thread: string, _options: object, command: Command) => {
      const session = await openSession(command, terminal);
      await session.client.removeThread(thread);
      session.show({ removed: thread }, () => `${thread} removed`);
    });
}
