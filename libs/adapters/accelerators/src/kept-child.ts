/** One child process that should live as long as we do: its output by lines, started again with growing pauses when it ends. */
import { spawn, type ChildProcess } from 'node:child_process';

export interface KeptChildOptions {
  readonly program: string;
  /** Asked anew at every start. */
  readonly args: () => readonly string[];
  readonly onLine: (line: string) => void;
  /** Why it does not run, for a person; undefined when it was started. */
  readonly onState: (failure: string | undefined) => void;
  readonly firstPauseMs: number;
  readonly mostPauseMs: number;
}

/** A line longer than this is none of a program that answers in lines. */
const LONGEST_LINE = 16_384;
/** A child that lived so long had started well: the pauses begin anew. */
const LIVED_WELL_MS = 30_000;
const SHOWN_ERROR_CHARACTERS = 300;

export class KeptChild {
  private child: ChildProcess | undefined;
  private timer: NodeJS.Timeout | undefined;
  private rest = '';
  private complaint = '';
  private startedAtMs = 0;
  private pauseMs: number;
  private closed = false;

  constructor(private readonly options: KeptChildOptions) {
    this.pauseMs = options.firstPauseMs;
    this.start();
  }

  /** Ends the child now; it is started again after the pause. */
  restart(): void {
    this.child?.kill('SIGKILL');
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.child?.kill('SIGTERM');
  }

  private start(): void {
    const { program, args, onState } = this.options;
    this.rest = '';
    this.complaint = '';
    this.startedAtMs = performance.now();
    const child = spawn(program, args(), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    child.stdout!.setEncoding('utf8').on('data', (text: string) => this.hear(text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.complaint = (this.complaint + text).slice(0, SHOWN_ERROR_CHARACTERS)));
    // `error` comes instead of `exit` when there is no such program, and `close` after both.
    let failure: string | undefined;
    child.once('error', (error: NodeJS.ErrnoException) => (failure = error.code === 'ENOENT' ? `${program} is not installed on this host` : `${program}: ${error.message}`));
    child.once('spawn', () => onState(undefined));
    child.once('close', (code, signal) => this.ended(failure ?? this.howItEnded(code, signal)));
    child.unref();
  }

  private howItEnded(code: number | null, signal: NodeJS.Signals | null): string {
    const complaint = this.complaint.trim().split('\n')[0]!;
    return `${this.options.program} ended ${signal === null ? `with code ${code}` : `by ${signal}`}${complaint === '' ? '' : `: ${complaint}`}`;
  }

  private ended(failure: string): void {
    if (this.closed) return;
    this.child = undefined;
    this.options.onState(failure);
    if (performance.now() - this.startedAtMs > LIVED_WELL_MS) this.pauseMs = this.options.firstPauseMs;
    this.timer = setTimeout(() => this.start(), this.pauseMs).unref();
    this.pauseMs = Math.min(this.options.mostPauseMs, 2 * this.pauseMs);
  }

  private hear(text: string): void {
    const lines = (this.rest + text).split(/\r?\n/);
    this.rest = lines.pop()!;
    if (this.rest.length > LONGEST_LINE) this.rest = '';
    for (const line of lines) if (line !== '') this.options.onLine(line);
  }
}
