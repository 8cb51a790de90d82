/** One running process as the supervisor sees it: a service or a server. */
import type { DurationMs } from '@godwit/kernel';

export interface Instance {
  readonly pid: number;
  /** Settled when the process is gone, with how it ended, as in `SIGKILL` or `exit code 70`. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when the process is gone. */
  stop(graceMs: DurationMs): Promise<void>;
}

export const describeEnd = (exitCode: number | null, signal: NodeJS.Signals | null): string => signal ?? `exit code ${exitCode ?? 'unknown'}`;
