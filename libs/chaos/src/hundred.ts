/** The self-checking thread moved a hundred times while it is asked, with an agent killed in every tenth move: in both runtimes. */
import { join } from 'node:path';
import { check, longestWaitMs, pathOf } from './check.js';
import { faultOf } from './faults.js';
import { Feed } from './feed.js';
import { keepHistory, readHistory } from './history.js';
import { holdsOf } from './holds.js';
import type { LedgerRuntime } from './ledger.js';
import { PHASES } from './matrix.js';
import { DEVICES, type Rig } from './rig.js';
import { until } from './until.js';

const MOVE_MS = 60_000;
const KILL_EVERY = 10;

export interface Moves {
  readonly seed: number;
  readonly moves: number;
  readonly say: (line: string) => void;
}

export async function hundredMoves(rig: Rig, options: Moves): Promise<boolean> {
  let isWell = true;
  for (const runtime of ['wasm', 'task'] as const) isWell = (await moved(rig, runtime, options)) && isWell;
  return isWell;
}

async function moved(rig: Rig, runtime: LedgerRuntime, { seed, moves, say }: Moves): Promise<boolean> {
  const startedMs = performance.now();
  const thread = `hundred-${runtime}`;
  const at = await rig.addThread(thread, runtime);
  const feed = new Feed(() => rig.local.url, thread);
  await feed.answersAgain(MOVE_MS);
  const kills: string[] = [];
  for (let move = 1; move <= moves; move++) {
    const own = await until(`an owner of ${thread}`, MOVE_MS, () => rig.own(at));
    const source = own.record.device as string;
    const target = DEVICES.filter((device) => device !== source)[(seed + move) % 2]!;
    if (move % KILL_EVERY === 0) kills.push(await movedAndKilled(rig, { at, source, target, epoch: own.record.epoch, briefly: move % 20 === 0 }, seed + move));
    else {
      await rig.move(thread, target, new AbortController().signal);
      await until(`move ${move} of ${thread}`, MOVE_MS, async () => ((await rig.own(at))?.record.epoch ?? 0) > own.record.epoch);
    }
    await feed.answersAgain(MOVE_MS);
    if (move % KILL_EVERY === 0) say(`${runtime}: ${move} moves, ${feed.seen.length} answers, ${kills.at(-1) ?? ''}`);
  }
  await rig.whenReady();
  await feed.finish(MOVE_MS);
  const repeated = await feed.askAgain(10);
  const history = await readHistory(rig.link, at);
  const violations = [...check(history, feed.seen, runtime).map(({ invariant, text }) => `${invariant}: ${text}`), ...repeated, ...feed.wrong];
  const outcomes = pathOf(history, 1).split('>');
  const count = (letter: string): number => outcomes.filter((one) => one === letter).length;
  say(`${runtime}: ${moves} moves in ${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${count('C')} committed, ${count('RB')} rolled back, ${count('FO')} failed over, ${count('RG')} re-granted; ${kills.length} agents killed; ${feed.seen.length} requests answered once each, ${feed.retries} asked again, longest wait ${longestWaitMs(history)} ms; ${violations.length} violations`);
  if (violations.length > 0) await keepHistory(join(rig.local.logsDir, `${thread}.jsonl`), history);
  for (const text of violations) say(`  VIOLATION ${text}`);
  await rig.removeThread(thread);
  return violations.length === 0 && kills.length === Math.floor(moves / KILL_EVERY) && count('C') > 0;
}

/** The agent of the source and that of the target in turn, each time at another phase. */
async function movedAndKilled(rig: Rig, move: Parameters<typeof faultOf>[2], pick: number): Promise<string> {
  const phase = PHASES[Math.floor(pick / KILL_EVERY) % PHASES.length]!;
  const name = Math.floor(pick / KILL_EVERY) % 2 === 0 ? 'source-agent' : 'target-agent';
  const fault = faultOf(name, rig, move);
  const gone = new AbortController();
  const hit = rig.door.arm(holdsOf(phase, move.at.thread)[0]!);
  const moving = rig.move(move.at.thread, move.target, gone.signal);
  try {
    await Promise.race([hit, moving.then(() => hit)]);
    await fault.make();
  } finally {
    gone.abort();
    rig.door.release();
  }
  await fault.heal();
  return `${name} killed at ${phase}`;
}
