/** The terminal: a screen that is redrawn in place, or plain lines where it is none. */
import type { WriteStream } from 'node:tty';
import type { RenderOptions } from './render.js';

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export class Terminal {
  private open = false;
  private readonly startedMs = performance.now();
  /** Said while the screen is open; printed when it is closed. */
  private readonly kept: string[] = [];

  constructor(private readonly out: Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>, private readonly env: Readonly<Record<string, string | undefined>>) {}

  get isScreen(): boolean {
    return this.open;
  }

  say(line: string): void {
    if (this.open) this.kept.push(line);
    else this.out.write(`${line}\n`);
  }
  /** With the seconds since the start in front. */
  step(line: string): void {
    this.say(`[${((performance.now() - this.startedMs) / 1_000).toFixed(1).padStart(6)} s] ${line}`);
  }

  openScreen(): void {
    if (!this.out.isTTY || this.env['TERM'] === 'dumb' || this.open) return;
    this.open = true;
    this.out.write(ENTER);
  }
  closeScreen(): void {
    if (!this.open) return;
    this.open = false;
    this.out.write(LEAVE);
    for (const line of this.kept.splice(0)) this.out.write(`${line}\n`);
  }
  draw(lines: readonly string[]): void {
    this.out.write(HOME + lines.map((line) => line + CLEAR_LINE).join('\n') + CLEAR_BELOW);
  }
  size(): RenderOptions {
    const noColour = this.env['NO_COLOR'];
    return { columns: this.out.columns ?? 100, rows: this.out.rows ?? 40, colours: noColour === undefined || noColour === '' };
  }
}
