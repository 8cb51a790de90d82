/** Runs one command to its end; what it says is kept, its failure is a value. */
import { spawn } from 'node:child_process';

/** How to start CRIU: the program, preceded by its own loader and the loader's options where it needs one. */
export interface CriuCommand {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** As in `4.1.1`. */
  readonly version: string;
}

export interface CommandEnd {
  /** 127 when the program does not exist, 124 when it ran past its time. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const KEPT_CHARS = 16_384;
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Helpers get no environment of ours: only where programs are, and one language for their messages. */
export const helperEnvironment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({ PATH: SEARCH_PATH, LC_ALL: 'C', ...more });

export function runCommand(command: readonly string[], options: { readonly timeoutMs: number; readonly env?: Readonly<Record<string, string>> }): Promise<CommandEnd> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], env: helperEnvironment(options.env), timeout: options.timeoutMs, killSignal: 'SIGKILL' });
    const heard = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => { heard[name] = (heard[name] + text).slice(-KEPT_CHARS); });
    }
    child.once('error', (error: NodeJS.ErrnoException) => resolve({ code: 127, stdout: '', stderr: `${program}: ${error.message}` }));
    // `exit`, not `close`: what the program left running in the background may hold its pipes open for ever.
    child.once('exit', (code, signal) => setImmediate(() => {
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code: code ?? 124, ...heard, ...(signal === null ? {} : { stderr: `${heard.stderr}\n${program} was ended by ${signal}` }) });
    }));
  });
}

/** The last line that says something. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';
