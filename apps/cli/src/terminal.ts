/** The terminal that the CLI was called in. */
import { buffer } from 'node:stream/consumers';
import type { Terminal } from './cli.js';

export function processTerminal(): Terminal {
  let interrupt: AbortController | undefined;
  /** From the first asking on, the first Ctrl-C ends what follows or waits, and the second ends the process. Without asking, the first does. */
  const interrupted = (): AbortSignal => {
    if (!interrupt) {
      const made = (interrupt = new AbortController());
      process.once('SIGINT', () => made.abort());
    }
    return interrupt.signal;
  };
  // `godwit outputs … | head` closes the pipe: no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    out: (text) => void process.stdout.write(text), outBytes: (bytes) => void process.stdout.write(bytes), err: (text) => void process.stderr.write(text),
    isTty: process.stdout.isTTY, env: process.env, folder: process.cwd(), nowMs: Date.now, stdin: () => buffer(process.stdin),
    get interrupted() { return interrupted(); }, setExitCode: (code) => { process.exitCode = code; },
  };
}
