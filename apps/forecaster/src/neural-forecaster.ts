/**
 * Keeps every series supplied with paths of the neural model, which runs in a worker.
 *
 * 1. The service's loop only copies histories out and paths in; between two paths the bank answers, and weighs the older path.
 *    A path ages fast: mixed half and half with the bank, a fresh one took 5 % off the loss on recordings, one of 3 steps ago
 *    less than 1.5 %, one of 8 steps ago nothing. So series are refreshed as often as the budget allows, not every so often.
 * 2. Series take turns, so the least recently refreshed is next; few go at each tick, so that a refresh is spread over its period.
 * 3. The worker computes for at most `BUDGET_RATIO` of the time. With more series than that serves, each waits longer.
 * 4. Without a worker nothing changes but that: it is logged once when it dies and once when it is back.
 */
import { OperationError, type Clock, type DurationMs, type InstantMs } from '@godwit/kernel';
import type { Log } from '@godwit/shell';
import type { NeuralForecaster } from '@godwit/tfjs';
import { STEP_MS } from './roll-up.js';

/** A series, as far as the neural model has to do with it. */
export interface NeuralSubject {
  /** Copies the newest closed steps, oldest first, NaN where one is missing; answers how many. */
  history(into: Float64Array): number;
  /** End of the newest of them; NaN before the first. */
  readonly historyEndMs: InstantMs;
  /** @param values rows × LEVELS quantiles; row k is for the step that ends at issuedAtMs + (k + 1) × STEP_MS. */
  acceptNeural(issuedAtMs: InstantMs, values: Float64Array): void;
}

export interface NeuralRefreshParts {
  readonly model: NeuralForecaster;
  readonly clock: Clock;
  readonly log: Log;
  readonly subjects: () => Iterable<NeuralSubject>;
  readonly horizonMs: DurationMs;
  readonly refreshMs: DurationMs;
}

const TICK_MS = 1_000;
/** The model learns on from what it has seen every so often. */
const REFINE_EVERY_MS = 60_000;
/** Share of one core. */
const BUDGET_RATIO = 0.1;
/** Unused budget is kept for so long. */
const BUDGET_KEPT_MS = 5_000;
/** Series of one tick: more would hold the loop for the copying. */
const MOST_AT_ONCE = 512;
const MOST_ROWS = 128;
/** A path has to last until the next one comes, and with thousands of series that is late. */
const PATH_SPARE_MS = 30_000;
/** So many steps are handed over: what the model looks at, and what came after an earlier look, to learn from. */
const HISTORY_STEPS = 192;
const FIRST_COST_MS = 0.5;

export class NeuralRefresh {
  /** Of the worker so far, ms; series that were given a path. For metrics. */
  readonly totals = { busyMs: 0, refreshed: 0 };
  private readonly rows: number;
  private timer: NodeJS.Timeout | undefined;
  private turn: NeuralSubject[] = [];
  private inTurn = 0;
  private turnBeganMs = -Infinity;
  private tickedAtMs: number;
  private refinedAtMs: number;
  private budgetMs = 0;
  private costMs = FIRST_COST_MS;
  private running = false;
  private readonly keys = new WeakMap<NeuralSubject, number>();
  private seen = 0;

  constructor(private readonly parts: NeuralRefreshParts) {
    const { horizonMs, refreshMs, clock } = parts;
    this.rows = Math.min(MOST_ROWS, Math.ceil((horizonMs + Math.max(2 * refreshMs, PATH_SPARE_MS)) / STEP_MS));
    this.tickedAtMs = this.refinedAtMs = clock.monotonicMs();
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.parts.model.close();
  }

  /** Refreshes those whose turn it is. One that is still under way makes the next drop out. Never rejects. */
  async tick(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const nowMs = this.parts.clock.monotonicMs();
      const elapsedMs = nowMs - this.tickedAtMs;
      this.tickedAtMs = nowMs;
      this.budgetMs = Math.min(BUDGET_RATIO * BUDGET_KEPT_MS, this.budgetMs + BUDGET_RATIO * elapsedMs);
      await this.refresh(this.next(nowMs));
      if (nowMs - this.refinedAtMs >= REFINE_EVERY_MS) await this.refine(nowMs);
    } catch (error) {
      // The worker's death was told when it died.
      if (!(error instanceof OperationError && error.code === 'unsupported')) this.parts.log.warn({ err: error }, 'the neural model failed; the bank goes on without it');
    } finally {
      this.running = false;
    }
  }

  /** Takes from the turn at hand what this tick should and can do. */
  private next(nowMs: number): NeuralSubject[] {
    const { refreshMs, subjects } = this.parts;
    if (this.turn.length === 0 && nowMs - this.turnBeganMs >= refreshMs - TICK_MS / 2) {
      this.turn = [...subjects()].reverse();
      this.inTurn = this.turn.length;
      this.turnBeganMs = nowMs;
    }
    const due = Math.ceil((this.inTurn * TICK_MS) / refreshMs);
    const affordable = Math.floor(this.budgetMs / this.costMs);
    const count = Math.min(due, affordable, MOST_AT_ONCE, this.turn.length);
    return count > 0 ? this.turn.splice(-count) : [];
  }

  private async refresh(subjects: readonly NeuralSubject[]): Promise<void> {
    const asked = subjects.map((subject) => {
      const into = new Float64Array(HISTORY_STEPS);
      return { subject, endMs: subject.historyEndMs, history: into.subarray(0, subject.history(into)) };
    });
    if (asked.length === 0) return;
    const { paths, busyMs } = await this.parts.model.predict(asked.map(({ history }) => history), this.rows, asked.map(({ subject }) => this.keyOf(subject)));
    this.spend(busyMs);
    this.costMs += ((busyMs / asked.length) - this.costMs) * 0.2;
    for (const [k, { subject, endMs }] of asked.entries()) {
      const path = paths[k];
      if (!path) continue;
      subject.acceptNeural(endMs, path);
      this.totals.refreshed++;
    }
  }

  private async refine(nowMs: number): Promise<void> {
    this.refinedAtMs = nowMs;
    const { busyMs, ...outcome } = await this.parts.model.refine();
    this.spend(busyMs);
    this.parts.log.debug(outcome, 'neural model refined');
  }

  private keyOf(subject: NeuralSubject): number {
    const known = this.keys.get(subject);
    if (known !== undefined) return known;
    this.keys.set(subject, this.seen);
    return this.seen++;
  }

  private spend(busyMs: number): void {
    this.budgetMs -= busyMs;
    this.totals.busyMs += busyMs;
  }
}
