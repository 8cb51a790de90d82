/** One run: a thread that is asked without pause is moved, a fault is made at a phase of the move, everything heals, and the checkers speak. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ThreadAddress } from '@godwit/journal';
import { check, longestWaitMs, pathOf, type Violation } from './check.js';
import { faultOf, type Fault } from './faults.js';
import { Feed } from './feed.js';
import { keepHistory, readHistory } from './history.js';
import { holdsOf } from './holds.js';
import type { LedgerRuntime } from './ledger.js';
import { isExpected, type Cell } from './matrix.js';
import { DEVICES, type Rig } from './rig.js';
import { until } from './until.js';

/** A migration that was begun comes to its phase within so long. */
const HIT_MS = 30_000;
/** I9. */
const SETTLE_MS = 30_000;
const START_MS = 60_000;
const REPEATED = 3;

export interface CellResult {
  readonly cell: Cell;
  readonly seed: number;
  readonly runtime: LedgerRuntime;
  /** Where the controller's stream was held, as in `before prepare`. */
  readonly held: string;
  /** The last phase that the status stream had told when the fault was made. */
  readonly told: string;
  readonly path: string;
  readonly violations: readonly Violation[];
  /** Right by the matrix. */
  readonly expected: boolean;
  readonly waitMs: number;
  readonly records: number;
  readonly answers: number;
  readonly retries: number;
  readonly tookMs: number;
}

/** Digits of the seed decide: the runtime, the moment within the phase, how long what goes away stays away, the target. */
interface Picks {
  readonly runtime: LedgerRuntime;
  readonly moment: number;
  readonly briefly: boolean;
  readonly other: number;
}
const picksOf = (seed: number): Picks => ({ runtime: seed % 2 === 0 ? 'wasm' : 'task', moment: seed >> 1, briefly: seed % 4 === 3, other: seed >> 2 });

export async function runCell(rig: Rig, cell: Cell, seed: number): Promise<CellResult> {
  const startedMs = performance.now();
  const picks = picksOf(seed);
  const thread = `${cell.fault}-${cell.phase}-${seed}`;
  await rig.whenReady();
  const at = await rig.addThread(thread, picks.runtime);
  const feed = new Feed(() => rig.local.url, thread);
  const run = new CellRun(rig, cell, picks, at, feed);
  try {
    await run.begin();
    const violations = await run.through();
    const history = await readHistory(rig.link, at);
    const path = pathOf(history, run.epoch);
    violations.push(...check(history, feed.seen, picks.runtime));
    if (violations.length > 0) await keepHistory(join(rig.local.logsDir, `${thread}.jsonl`), history);
    return {
      cell, seed, runtime: picks.runtime, held: run.held, told: run.told, path, expected: isExpected(cell, path), violations,
      waitMs: longestWaitMs(history), records: history.length, answers: feed.seen.length, retries: feed.retries, tookMs: performance.now() - startedMs,
    };
  } finally {
    await feed.finish(1_000).catch(() => undefined); // told as a violation already
    rig.door.release();
    await rig.whenReady();
    await rig.removeThread(thread);
  }
}

class CellRun {
  held = '';
  told = 'none';
  epoch = 0;
  private readonly phases: string[] = [];

  constructor(private readonly rig: Rig, private readonly cell: Cell, private readonly picks: Picks, private readonly at: ThreadAddress, private readonly feed: Feed) {}

  /** The thread runs, answers, and has a checkpoint. */
  async begin(): Promise<void> {
    const { rig, at } = this;
    const subscription = rig.link.nc.subscribe(`godwit.migration.${at.thread}.*`, { callback: (_error, message) => void this.phases.push(message.subject.split('.')[3]!) });
    this.close = () => { if (!rig.link.nc.isClosed()) subscription.unsubscribe(); };
    await this.feed.answersAgain(START_MS);
    await until(`a checkpoint of ${at.thread}`, START_MS, async () => (await rig.journal.tail(at)).k > 0);
  }
  private close: () => void = () => undefined;

  /** Moves, makes the fault, heals; and says what did not come to rest. */
  async through(): Promise<Violation[]> {
    const { rig, at, picks, cell } = this;
    const own = await until(`an owner of ${at.thread}`, START_MS, () => rig.own(at));
    this.epoch = own.record.epoch;
    const source = own.record.device as string;
    const others = DEVICES.filter((device) => device !== source);
    const target = others[picks.other % others.length]!;
    const fault = faultOf(cell.fault, rig, { at, source, target, epoch: this.epoch, briefly: picks.briefly });
    await this.strike(fault, target);
    await fault.heal();
    this.close();
    return this.settle();
  }

  private async strike(fault: Fault, target: string): Promise<void> {
    const { rig, at, picks, cell } = this;
    const moments = holdsOf(cell.phase, at.thread);
    const moment = moments[picks.moment % moments.length]!;
    this.held = moment.when === 'answer' ? `answer to ${moment.what}` : `${moment.when} ${moment.what}`;
    const gone = new AbortController();
    const hit = rig.door.arm(moment);
    const moving = rig.move(at.thread, target, gone.signal);
    moving.catch(() => undefined); // the controller may be the one that dies
    try {
      await Promise.race([hit, delay(HIT_MS, undefined, { ref: false }).then(() => { throw new Error(`${cell.name}: the migration did not come to ${this.held} within ${HIT_MS / 1000} s`); })]);
      this.told = this.phases.at(-1) ?? 'none';
      // The target's runner is there only when the command has gone out.
      if (cell.fault === 'target-runner' && cell.phase === 'planned') rig.door.release();
      await fault.make();
    } finally {
      gone.abort();
      rig.door.release();
    }
  }

  /** I9. */
  private async settle(): Promise<Violation[]> {
    const { at, feed } = this;
    const found: Violation[] = [];
    const late = (error: Error): void => void found.push({ invariant: 'I9', text: error.message });
    await feed.answersAgain(SETTLE_MS).catch(late);
    await until(`every migration of ${at.thread} has its outcome`, SETTLE_MS, () => this.isSettled()).catch(late);
    await feed.finish(SETTLE_MS).catch(late);
    if (found.length > 0) return found;
    const repeated = [...feed.wrong, ...(await feed.askAgain(REPEATED))];
    return repeated.map((text) => ({ invariant: 'I4', text }));
  }

  private async isSettled(): Promise<boolean> {
    const intent = await this.rig.journal.newestIntent(this.at);
    const own = await this.rig.own(this.at);
    return own !== undefined && (intent === undefined || intent.record.epoch < own.record.epoch);
  }
}
