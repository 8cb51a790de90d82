/** `outputs`, `input` and `request`: the journal's doors. */
import type { Output } from '@godwit/client';
import type { Command } from 'commander';
import { openSession, type Session, type Terminal } from '../cli.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { count, id, whole } from '../options.js';

const NEWLINE = 0x0a;

/** The bytes of the messages, each on lines of its own; or the record, in `--json`. */
export function printOutput({ json, line, terminal }: Pick<Session, 'json' | 'line' | 'terminal'>, output: Output): void {
  if (json) return line(JSON.stringify(output));
  for (const { payload } of output.messages) {
    const bytes = Buffer.from(payload, 'base64');
    terminal.outBytes(bytes);
    if (bytes.at(-1) !== NEWLINE) terminal.out('\n');
  }
}

/** How often a silent stream is looked behind: a thread whose program failed puts out no more. */
const LOOK_MS = 3_000;

/**
 * Prints what comes until the thread ends by itself or the user interrupts. The program's exit code, if it ended.
 * @throws CommandFailure when the thread's program has failed.
 */
export async function followOutputs(session: Session, thread: string, after: number): Promise<number | undefined> {
  const stop = new AbortController();
  let failure: CommandFailure | undefined;
  const look = setInterval(() => {
    session.client.thread(thread).then(({ fault }) => {
      if (!fault) return;
      failure = new CommandFailure(EXIT.failed, `${thread} failed: ${fault.reason}`, `\`godwit why ${thread}\` tells more.`);
      stop.abort();
    // A gateway that is away for a moment is the stream's own concern.
    }, () => undefined);
  }, LOOK_MS);
  try {
    for await (const output of session.client.followOutputs(thread, { after, signal: AbortSignal.any([stop.signal, session.terminal.interrupted]) })) {
      printOutput(session, output);
      if (output.exit) return output.exit.code;
    }
  } finally {
    clearInterval(look);
  }
  if (failure) throw failure;
  return undefined;
}

interface OutputsOptions { readonly after?: number; readonly last?: number; readonly limit: number; readonly follow?: boolean }

export function addJournal(program: Command, terminal: Terminal): void {
  program.command('outputs').description('what a thread has put out').argument('<thread>', 'the thread', id)
    .option('--after <n>', 'begin behind this output number', whole).option('--last <n>', 'the newest so many', count)
    .option('--limit <n>', 'most outputs', count, 100).option('--follow', 'go on as they come, until Ctrl-C or the thread’s end')
    .action(async (thread: string, options: OutputsOptions, command: Command) => {
      const session = await openSession(command, terminal);
      if (options.after !== undefined && options.last !== undefined) throw new CommandFailure(EXIT.usage, '--after and --last do not go together');
      if (!options.follow || options.last !== undefined) {
        const { after, last, limit } = options;
        const page = await session.client.outputs(thread, { limit, ...(after === undefined ? {} : { after }), ...(last === undefined ? {} : { last }) });
        for (const output of page.items) printOutput(session, output);
        if (!options.follow) return;
        return void (await followOutputs(session, thread, page.next));
      }
      await followOutputs(session, thread, options.after ?? 0);
    });
  program.command('input').description('give a thread a message').argument('<thread>', 'the thread', id).argument('[text]', 'the message; without it, what stands on stdin')
    .option('--kind <kind>', 'the message’s kind', '').option('--request-id <id>', 'the same id again is taken once', id).option('--end', 'end the input instead')
    .action(async (thread: string, text: string | undefined, options: { kind: string; requestId?: string; end?: boolean }, command: Command) => {
      const session = await openSession(command, terminal);
      if (options.end && text !== undefined) throw new CommandFailure(EXIT.usage, '--end takes no message');
      const request = options.requestId === undefined ? {} : { requestId: options.requestId };
      const payload = options.end ? undefined : text === undefined ? await terminal.stdin() : Buffer.from(text);
      const receipt = payload === undefined ? await session.client.endInput(thread, request)
        : await session.client.input(thread, [{ kind: options.kind, payload: Buffer.from(payload).toString('base64') }], request);
      session.show(receipt, ({ requestId, seq, duplicate }) => `${requestId} ${duplicate ? 'was there already' : 'appended'} at ${seq}`);
    });
  program.command('request').description('give a thread a message and print its answer').argument('<thread>', 'the thread', id).argument('[text]', 'the message; without it, what stands on stdin')
    .option('--kind <kind>', 'the message’s kind', '').option('--request-id <id>', 'the same id again gets the same answer', id).option('--timeout <ms>', 'longest time to wait', count, 30_000)
    .action(async (thread: string, text: string | undefined, options: { kind: string; requestId?: string; timeout: number }, command: Command) => {
      const session = await openSession(command, terminal);
      const payload = text === undefined ? await terminal.stdin() : Buffer.from(text);
      const { answer, ...receipt } = await session.client.request(thread, [{ kind: options.kind, payload: Buffer.from(payload).toString('base64') }],
        { timeoutMs: options.timeout, ...(options.requestId === undefined ? {} : { requestId: options.requestId }) });
      if (session.json) session.line(JSON.stringify({ ...receipt, answer }));
      else if (answer) printOutput(session, answer);
    });
}
