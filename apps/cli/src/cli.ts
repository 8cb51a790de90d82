/** What a command has: the client, the terminal, and the options that every command takes. The specs give another one. */
import { GodwitClient } from '@godwit/client';
import type { Command } from 'commander';
import { findUrl } from './endpoint.js';

export interface Terminal {
  out(text: string): void;
  outBytes(bytes: Uint8Array): void;
  err(text: string): void;
  readonly isTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly nowMs: () => number;
  readonly stdin: () => Promise<Uint8Array>;
  /** Aborted by Ctrl-C: what follows or waits then ends. */
  readonly interrupted: AbortSignal;
  setExitCode(code: number): void;
}

interface GlobalOptions { readonly url?: string; readonly token?: string; readonly json?: boolean }

export interface Session {
  readonly client: GodwitClient;
  readonly json: boolean;
  readonly terminal: Terminal;
  /** A line on stdout. */
  line(text: string): void;
  /** The value as JSON, in `--json`; else what `render` makes of it. */
  show<Value>(value: Value, render: (value: Value) => string): void;
  readonly dim: (text: string) => string;
}

export async function openSession(command: Command, terminal: Terminal): Promise<Session> {
  const { url, token = terminal.env['GODWIT_TOKEN'], json = false } = command.optsWithGlobals<GlobalOptions>();
  const client = new GodwitClient({ url: await findUrl(url, terminal.env, terminal.folder), ...(token === undefined ? {} : { token }) });
  const colour = terminal.isTty && !terminal.env['NO_COLOR'] && terminal.env['TERM'] !== 'dumb';
  const line = (text: string): void => terminal.out(`${text}\n`);
  return {
    client, json, terminal, line,
    show: (value, render) => line(json ? JSON.stringify(value, null, terminal.isTty ? 2 : undefined) : render(value)),
    dim: (text) => (colour ? `\u001b[2m${text}\u001b[22m` : text),
  };
}

/** Resolves after so long, or when the user interrupts. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, durationMs);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/** Once, or every `everySeconds` until the user interrupts: redrawn in a terminal, one after the other in a pipe. */
export async function repeated({ terminal, json }: Session, everySeconds: number | undefined, draw: () => Promise<void>): Promise<void> {
  for (;;) {
    if (everySeconds !== undefined && terminal.isTty && !json) terminal.out('\u001b[2J\u001b[H');
    await draw();
    if (everySeconds === undefined || terminal.interrupted.aborted) return;
    await pause(everySeconds * 1_000, terminal.interrupted);
    if (terminal.interrupted.aborted) return;
    if (!terminal.isTty && !json) terminal.out('\n');
  }
}

export async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
