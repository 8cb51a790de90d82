/**
 * When to stop copying and freeze. After each round: what would the freeze take now, is it inside the thread's budget,
 * and does another round help?
 *
 *   forecast freeze = fixed cost + time of the last round × (what will be dirty by then ÷ what that round copied)
 *
 * The first round tells only the link's speed; from the second on the thread's dirty rate is known. Rounds that do not
 * get shorter never will by themselves: the set that the thread rewrites is larger than a round's time lets through.
 * Then the thread is slowed, a step at a time, since half the writes are half the set; it is never slowed below
 * `slowestDutyRatio`, and when that does not help either, the move is refused with the numbers.
 * Rejected: freezing at the last allowed round whatever it costs (what QEMU calls a forced switch-over): the budget is
 * the owner's promise to its users, and a refusal leaves the controller its other steps.
 *
 * Invariants: P1. `freeze` is said only with a forecast inside the budget. P2. It ends: after `maxRounds` or `maxMs` no
 * further round is asked for. P3. Less is dirty after a lower duty, so the duty never rises again within one copy.
 */
import { refuse, type DurationMs, type Refusal } from '@godwit/kernel';

export interface PrecopyLimits {
  /** What the freeze may take, as the thread's owner permits. */
  readonly freezeBudgetMs: DurationMs;
  /** What a freeze takes when nothing is left to copy: safepoint, messages, the durable append, the resume. */
  readonly fixedFreezeMs: DurationMs;
  readonly maxRounds: number;
  readonly maxMs: DurationMs;
  /** The thread is never slowed below this share of its speed, 0..1. */
  readonly slowestDutyRatio: number;
}
export const DEFAULT_PRECOPY: PrecopyLimits = { freezeBudgetMs: 200, fixedFreezeMs: 3, maxRounds: 30, maxMs: 20_000, slowestDutyRatio: 0.2 };

export interface RoundReport {
  readonly imageBytes: number;
  /** Bytes of blocks that differed from the copy. */
  readonly dirtyBytes: number;
  /** Bytes given to the link for them. */
  readonly sentBytes: number;
  /** From the beginning of the round until the target had all of it. */
  readonly durationMs: DurationMs;
}

export interface PrecopyState {
  readonly rounds: number;
  readonly elapsedMs: DurationMs;
  readonly last?: RoundReport;
  /** Least dirty bytes of a round so far, and how many rounds have not improved on it. */
  readonly leastDirtyBytes: number;
  readonly fruitless: number;
  readonly dutyRatio: number;
}
export const PRECOPY_START: PrecopyState = { rounds: 0, elapsedMs: 0, leastDirtyBytes: Infinity, fruitless: 0, dutyRatio: 1 };

export interface PrecopyNumbers {
  readonly dirtyBytesPerSecond: number;
  readonly bytesPerSecond: number;
  /** undefined while only one round is known. */
  readonly forecastFreezeMs?: DurationMs;
}
export type PrecopyAction =
  | { readonly do: 'round'; readonly dutyRatio: number }
  | { readonly do: 'freeze'; readonly forecastFreezeMs: DurationMs }
  | { readonly do: 'refuse'; readonly refusal: Refusal };

/** Rounds without improvement before the thread is slowed by a step. */
const PATIENCE = 2;
const DUTY_STEP = 0.7;
/** A round improves when it leaves less than this share of the least so far. */
const IMPROVES_RATIO = 0.9;
/** Falling so steeply, one more round is worth its wait even when the budget is kept already. */
const STEEP_RATIO = 0.5;

const perSecond = (bytes: number, ms: number): number => (bytes * 1_000) / Math.max(ms, 0.01);

/** What the last two rounds say. */
export function precopyNumbers(before: RoundReport | undefined, report: RoundReport, limits: PrecopyLimits): PrecopyNumbers {
  const bytesPerSecond = perSecond(report.sentBytes, report.durationMs);
  if (!before) return { dirtyBytesPerSecond: 0, bytesPerSecond };
  const dirtyBytesPerSecond = perSecond(report.dirtyBytes, before.durationMs);
  const next = Math.min(report.imageBytes, (dirtyBytesPerSecond * report.durationMs) / 1_000);
  // Looking takes its time even where little is found; hence at least half of the round.
  const share = report.dirtyBytes > 0 ? Math.min(2, Math.max(0.5, next / report.dirtyBytes)) : 1;
  return { dirtyBytesPerSecond, bytesPerSecond, forecastFreezeMs: limits.fixedFreezeMs + report.durationMs * share };
}

export function precopyStep(state: PrecopyState, report: RoundReport, limits: PrecopyLimits): { state: PrecopyState; action: PrecopyAction; numbers: PrecopyNumbers } {
  const numbers = precopyNumbers(state.last, report, limits);
  const improves = report.dirtyBytes < state.leastDirtyBytes * IMPROVES_RATIO;
  const known: PrecopyState = {
    rounds: state.rounds + 1, elapsedMs: state.elapsedMs + report.durationMs, last: report,
    // The first round copies all there is, which says nothing of what changes.
    leastDirtyBytes: state.last ? Math.min(state.leastDirtyBytes, report.dirtyBytes) : Infinity,
    fruitless: improves ? 0 : state.fruitless + 1, dutyRatio: state.dutyRatio,
  };
  const forecast = numbers.forecastFreezeMs;
  const spent = known.rounds >= limits.maxRounds || known.elapsedMs >= limits.maxMs;
  if (forecast !== undefined && forecast <= limits.freezeBudgetMs) {
    const steep = state.last !== undefined && report.dirtyBytes > 0 && report.dirtyBytes < state.last.dirtyBytes * STEEP_RATIO;
    // Nearly nothing to copy cannot get better.
    const worthWaiting = steep && !spent && forecast > limits.fixedFreezeMs * 2;
    return { state: known, numbers, action: worthWaiting ? another(known) : { do: 'freeze', forecastFreezeMs: forecast } };
  }
  if (spent) return { state: known, numbers, action: { do: 'refuse', refusal: notConverged(known, numbers, limits) } };
  if (known.fruitless < PATIENCE) return { state: known, numbers, action: another(known) };
  if (known.dutyRatio <= limits.slowestDutyRatio) return { state: known, numbers, action: { do: 'refuse', refusal: notConverged(known, numbers, limits) } };
  const slower = { ...known, fruitless: 0, dutyRatio: Math.max(limits.slowestDutyRatio, known.dutyRatio * DUTY_STEP) };
  return { state: slower, numbers, action: another(slower) };
}

const another = (state: PrecopyState): PrecopyAction => ({ do: 'round', dutyRatio: state.dutyRatio });

function notConverged(state: PrecopyState, numbers: PrecopyNumbers, limits: PrecopyLimits): Refusal {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB/s`;
  const freeze = numbers.forecastFreezeMs === undefined ? 'an unknown time' : `${Math.round(numbers.forecastFreezeMs)} ms`;
  const slowed = state.dutyRatio < 1 ? `, even slowed to ${Math.round(state.dutyRatio * 100)} % of its speed` : '';
  return refuse('refused-by-policy', `live copying does not converge: after ${state.rounds} rounds the thread still changes ${megabytes(numbers.dirtyBytesPerSecond)}${slowed}, and ${megabytes(numbers.bytesPerSecond)} can be copied; the freeze would take ${freeze}, and ${limits.freezeBudgetMs} ms are its budget`, 'freezeBudgetMs');
}
