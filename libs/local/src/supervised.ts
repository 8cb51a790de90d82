/**
 * Keeps one process alive.
 *
 * Invariants:
 *  S1. At most one instance at a time: the next is launched only after the one before is gone.
 *  S2. Deaths that nobody asked for are answered with growing pauses, and after MAX_FAST_DEATHS in a row not any more.
 *      Deaths that the caller asked for (`kill`) are not counted.
 *  S3. After `stop` nothing is launched again.
 */
import { OperationError, type DurationMs } from '@godwit/kernel';
import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from './instance.js';

/** Starts the process and resolves when it is ready. When `signal` is aborted, it ends what it began, and rejects. */
export type Launch<I extends Instance> = (before: I | undefined, signal: AbortSignal) => Promise<I>;
export type SupervisedState = 'starting' | 'ready' | 'held' | 'failed' | 'stopped';

/** What can be done with any supervised process. */
export type SupervisedProcess = Pick<Supervised<Instance>, 'name' | 'state' | 'instance' | 'kill' | 'restart' | 'stop'>;

export interface RestartLimits {
  readonly firstPauseMs: DurationMs;
  readonly longestPauseMs: DurationMs;
  /** Deaths in a row, each less than `steadyMs` after being ready, until it is given up. */
  readonly maxFastDeaths: number;
  readonly steadyMs: DurationMs;
}
export const RESTART_LIMITS: RestartLimits = { firstPauseMs: 250, longestPauseMs: 8_000, maxFastDeaths: 8, steadyMs: 30_000 };

/** An end that takes longer is told. */
const SLOW_END_MS: DurationMs = 2_000;

/** Signals that do not end a process. */
const HARMLESS: ReadonlySet<NodeJS.Signals> = new Set(['SIGSTOP', 'SIGCONT', 'SIGTSTP', 'SIGWINCH', 'SIGCHLD', 'SIGURG']);

export class Supervised<I extends Instance> {
  state: SupervisedState = 'starting';
  private current: I | undefined;
  private last: I | undefined;
  private readyAtMs = 0;
  private fastDeaths = 0;
  private asked: 'restart' | 'hold' | undefined;
  private reviving: Promise<void> = Promise.resolve();
  private readonly ending = new AbortController();

  constructor(
    readonly name: string, private readonly launch: Launch<I>, private readonly onLine: (line: string) => void, private readonly limits: RestartLimits = RESTART_LIMITS,
  ) {}

  /** The instance that runs now. */
  get instance(): I | undefined {
    return this.current;
  }

  /** The instance that runs now or ran last: for addresses that outlive a restart. */
  get newest(): I | undefined {
    return this.current ?? this.last;
  }

  /** The first start; its failure is the caller's to handle. @throws what the launch throws. */
  async start(): Promise<void> {
    const started = this.launch(this.last, this.ending.signal).then((instance) => this.adopt(instance), (error: Error) => {
      if (this.state !== 'stopped') this.state = 'failed';
      throw error;
    });
    this.reviving = started.catch(() => undefined); // told to the caller; `stop` only waits for it
    await started;
  }

  /**
   * Sends the signal. A process that it ends is started again at once, or held until `restart()` when `restart` is false.
   * @throws OperationError `conflict` when no process runs.
   */
  kill(signal: NodeJS.Signals, { restart = true }: { readonly restart?: boolean } = {}): void {
    if (!this.current) throw new OperationError('conflict', `${this.name} does not run now (${this.state})`, { effect: 'none' });
    if (!HARMLESS.has(signal)) this.asked = restart ? 'restart' : 'hold';
    this.current.kill(signal);
  }

  /** Ends what runs and starts it anew; resolves when ready. @throws what the launch throws. */
  async restart(graceMs: DurationMs): Promise<void> {
    if (this.state === 'stopped') throw new OperationError('conflict', `${this.name} was stopped`, { effect: 'none' });
    await this.reviving;
    if (this.current) {
      const { current } = this;
      this.asked = 'hold';
      await current.stop(graceMs);
      this.onEnded(current, 'asked to');
    }
    this.state = 'starting';
    this.fastDeaths = 0;
    await this.start();
  }

  /** Ends it for good. */
  async stop(graceMs: DurationMs): Promise<void> {
    this.state = 'stopped';
    this.ending.abort();
    const { current } = this;
    if (current) await this.end(current, graceMs);
    await this.reviving;
    // A launch that came to its end at the very moment of the abort.
    if (this.current && this.current !== current) await this.end(this.current, graceMs);
  }

  private async end(instance: I, graceMs: DurationMs): Promise<void> {
    const startedAtMs = performance.now();
    await instance.stop(graceMs);
    const tookMs = performance.now() - startedAtMs;
    if (tookMs >= SLOW_END_MS) this.onLine(`${this.name} took ${(tookMs / 1000).toFixed(1)} s to end (${await instance.ended})`);
  }

  private adopt(instance: I): void {
    this.current = instance;
    this.last = instance;
    this.readyAtMs = performance.now();
    if (this.state !== 'stopped') this.state = 'ready';
    void instance.ended.then((how) => this.onEnded(instance, how));
  }

  private onEnded(instance: I, how: string): void {
    if (this.current !== instance) return;
    this.current = undefined;
    const { asked } = this;
    this.asked = undefined;
    if (this.state === 'stopped') return;
    if (asked === 'hold') {
      this.state = 'held';
      return;
    }
    this.state = 'starting';
    if (asked === undefined) this.fastDeaths = performance.now() - this.readyAtMs >= this.limits.steadyMs ? 1 : this.fastDeaths + 1;
    this.reviving = this.revive(how, asked === 'restart');
  }

  private async revive(how: string, atOnce: boolean): Promise<void> {
    let why = `ended (${how})`;
    for (let first = atOnce; ; first = false) {
      if (this.fastDeaths > this.limits.maxFastDeaths) {
        this.state = 'failed';
        return this.onLine(`${this.name} ${why}; given up after ${this.limits.maxFastDeaths} restarts in a row`);
      }
      const pauseMs = first ? 0 : Math.min(this.limits.longestPauseMs, this.limits.firstPauseMs * 2 ** (this.fastDeaths - 1));
      this.onLine(`${this.name} ${why}; starting it again${pauseMs === 0 ? '' : ` in ${pauseMs} ms`}`);
      try {
        await delay(pauseMs, undefined, { signal: this.ending.signal });
        this.adopt(await this.launch(this.last, this.ending.signal));
        return this.onLine(`${this.name} runs again`);
      } catch (error) {
        if (this.ending.signal.aborted) return;
        this.fastDeaths++;
        why = `did not start: ${(error as Error).message}`;
      }
    }
  }
}
