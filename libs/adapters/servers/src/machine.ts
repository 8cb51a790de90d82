/** What finding and obtaining a server asks of the machine: a port, so that each link of the chain can be tried without one. */
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';

export interface CommandResult {
  /** 127 when the program does not exist, 124 when it ran past its time. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Default one minute. */
  readonly timeoutMs?: number;
}

export interface Machine {
  run(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The file's text, or undefined when it cannot be read. */
  readText(path: string): Promise<string | undefined>;
  /** Names in the folder, sorted; empty when it cannot be read. */
  listNames(folder: string): Promise<readonly string[]>;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program, ...args] = command;
  const env = { ...process.env, LC_ALL: 'C', ...options.env };
  const settings = { env, timeout: options.timeoutMs ?? 60_000, killSignal: 'SIGKILL' as const, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve) => {
    execFile(program!, args, options.cwd === undefined ? settings : { ...settings, cwd: options.cwd }, (error, stdout, stderr) => {
      if (error === null) return resolve({ exitCode: 0, stdout, stderr });
      if (error.killed === true) return resolve({ exitCode: 124, stdout, stderr: `${stderr}\n${program} ran past its time` });
      if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout, stderr });
      const missing = error.code === 'ENOENT' || error.code === 'EACCES' || error.code === 'ENOTDIR';
      resolve({ exitCode: missing ? 127 : 1, stdout, stderr: stderr === '' ? error.message : stderr });
    });
  });
}

/** The machine that this process runs on. */
export const thisMachine: Machine = {
  run,
  readText: (path) => readFile(path, 'utf8').catch(() => undefined),
  listNames: async (folder) => (await readdir(folder).catch(() => [])).sort(),
};

/** The last line that says something, for messages that must stay one line. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';
