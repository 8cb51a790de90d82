/** The terminal that the CLI was called in. */
import { buffer } from 'node:stream/consumers';
import type { Terminal } from './cli.js';

/** The first Ctrl-C ends what follows or waits; the second ends the process. */
export function processTerminal(): Terminal {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  // `godwit outputs … | head` closes the pipe: no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    out: (text) => void process.stdout.write(text), outBytes: (bytes) => void process.stdout.write(bytes), err: (text) => void process.stderr.write(text),
    isTty: process.stdout.isTTY, env: process.env, folder: process.cwd(), nowMs: Date.now, stdin: () => buffer(process.stdin),
    interrupted: interrupt.signal, setExitCode: (code) => { process.exitCode = code; },
  };
}
