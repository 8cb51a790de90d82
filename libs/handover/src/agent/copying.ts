/**
 * A copy of one thread that is under way, as its host sees it: begun while the thread runs, told of after each round,
 * finished by a freeze or given up. Does not own: when to freeze (the controller), how rounds converge (the runner).
 */
import { isRefusal, refuse, type DurationMs, type Refusal, type Timers } from '@godwit/kernel';
import type { CopiedMark, CopyProgress } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';
import type { BulkLink, Runner } from '../ports.js';

export const COPY_MS: DurationMs = 60_000;
const BEGIN_COPY_MS: DurationMs = 5_000;

export interface CopyOptions {
  readonly freezeBudgetMs: DurationMs;
  readonly onProgress: (progress: CopyProgress) => void;
}

export class Copying {
  /** A freeze will finish it. */
  underWay = false;
  private settle: (progress: CopyProgress | Refusal) => void = () => undefined;

  constructor(private readonly runner: Runner, private readonly timers: Timers) {}

  /**
   * Waits until the runner says that a freeze would be inside the budget, or why it never will be. Whoever waits for it
   * waits for no turn of the host: checkpoints go on meanwhile.
   */
  readiness({ onProgress }: CopyOptions): Promise<CopyProgress | Refusal> {
    return new Promise((resolve) => {
      const timer = this.timers.after(COPY_MS, () => this.settle(refuse('timeout', `no copy within ${COPY_MS} ms`)));
      this.settle = (progress) => {
        if (!isRefusal(progress)) onProgress(progress);
        if (!isRefusal(progress) && progress.state === 'copying') return;
        timer.cancel();
        this.settle = () => undefined;
        resolve(isRefusal(progress) ? progress : progress.refusal ?? progress);
      };
    });
  }

  async begin(link: BulkLink, { freezeBudgetMs }: CopyOptions): Promise<void | Refusal> {
    this.underWay = true;
    const begun = await this.runner.request('copy-begin', { freezeBudgetMs, timeoutMs: COPY_MS }, { timeoutMs: BEGIN_COPY_MS, socket: link });
    if (isRefusal(begun)) return begun;
  }

  /** What the runner tells; or that there is nothing more to wait for. */
  heard(progress: CopyProgress | Refusal): void {
    this.settle(progress);
  }

  /** While frozen: copies what is left. Over afterwards, whatever came of it. */
  finish(pendingOutputs: readonly ThreadOutput[]): Promise<CopiedMark | Refusal> {
    this.underWay = false;
    return this.runner.request('copy-final', { pendingOutputs }, { timeoutMs: COPY_MS });
  }

  /** A migration that ended before its freeze. A runner that stands still hears of it when it goes on. */
  cancel(onFailure: (error: Error) => void): void {
    if (!this.underWay) return;
    this.underWay = false;
    this.runner.request('copy-cancel', {}, { timeoutMs: COPY_MS }).catch(onFailure);
  }
}
