/**
 * One migration as a state machine. Owns: the order of phases, what may happen in each, and which effects follow. Does
 * not own: messages, clocks, the journal; the shell performs the effects and feeds back what came of them.
 *
 *   planned → reserved → shadowing → frozen → staged → committing → active → retired     (committed)
 *      └────────┴───────────┴──────────┴─────────┴──▶ rolled-back
 *                           └── source dies ────────▶ failed-over (decided by failure detection; seen here as a lost race)
 *
 * Invariants:
 *  M1. No effect before `committing` harms the source: everything until there can be undone.
 *  M2. The intent is appended only after the target said yes.
 *  M3. The commit is asked for only after the target's digest equals the source's.
 *  M4. Commit and rollback are the same append; whoever loses the race adopts the winner's record. Exactly one outcome.
 *  M5. Every waiting phase has a deadline. A deadline is no answer: before the commit it leads to the rollback append,
 *      during the commit to reading the newest owner record, after it to repeating the effect.
 *  M6. Effects are idempotent under (migration, epoch): performing one again after a crash changes nothing more.
 */
import type { DeviceId, DurationMs, InstantMs, MigrationId, Refusal, Sha256, ThreadId } from '@godwit/kernel';

export type Phase = 'planned' | 'reserved' | 'shadowing' | 'frozen' | 'staged' | 'committing' | 'active' | 'retired' | 'rolling-back' | 'rolled-back' | 'failed-over';
export type Outcome = 'committed' | 'rolled-back' | 'failed-over';
export const PHASES: readonly Phase[] = ['planned', 'reserved', 'shadowing', 'frozen', 'staged', 'committing', 'active', 'retired', 'rolling-back', 'rolled-back', 'failed-over'];
/** Phases after which nothing more happens. */
export const isSettled = (phase: Phase): boolean => phase === 'retired' || phase === 'rolled-back' || phase === 'failed-over';

export interface MigrationState {
  readonly migration: MigrationId;
  readonly thread: ThreadId;
  readonly source: DeviceId;
  readonly target: DeviceId;
  /** The epoch it starts from, and the sequence of that owner record. */
  readonly epoch: number;
  readonly ownSeq: number;
  readonly cause: string;
  readonly phase: Phase;
  readonly phaseSinceMs: InstantMs;
  readonly plannedAtMs: InstantMs;
  readonly deadlineMs: InstantMs;
  readonly outcome?: Outcome;
  /** Newest verified checkpoint: what the next owner falls back to. */
  readonly checkpoint: number;
  readonly sourceDigest?: Sha256;
  readonly targetDigest?: Sha256;
  readonly bytes?: number;
  readonly freezeMs?: DurationMs;
  /** The owner record that ended it: ours, or the winner's. */
  readonly newEpoch?: number;
  readonly newOwnSeq?: number;
  readonly failure?: Refusal;
  readonly attempts: number;
}

export interface MigrationLimits {
  readonly reserveMs: DurationMs;
  readonly copyMs: DurationMs;
  /** For copying while the thread runs, before the freeze. */
  readonly shadowMs: DurationMs;
  readonly commitMs: DurationMs;
  readonly activateMs: DurationMs;
  /** How often an effect after the commit is repeated before failure detection is left to act. */
  readonly activateAttempts: number;
}
/** What a freeze may take where the thread's owner has not said. */
export const DEFAULT_FREEZE_BUDGET_MS: DurationMs = 1_000;
export const DEFAULT_LIMITS: MigrationLimits = { reserveMs: 20_000, copyMs: 10_000, shadowMs: 30_000, commitMs: 3_000, activateMs: 3_000, activateAttempts: 5 };

export type MigrationEvent =
  | { readonly type: 'begin' }
  | { readonly type: 'reserved' }
  | { readonly type: 'refused'; readonly by: 'source' | 'target' | 'transfer' | 'journal'; readonly refusal: Refusal }
  | { readonly type: 'intent-appended' }
  | { readonly type: 'copied' }
  | { readonly type: 'frozen'; readonly digest: Sha256; readonly bytes: number }
  | { readonly type: 'staged'; readonly digest: Sha256 }
  | { readonly type: 'own-appended'; readonly epoch: number; readonly seq: number }
  /** Somebody else's owner record came first, or a doubtful append was resolved by reading. */
  | { readonly type: 'own-read'; readonly epoch: number; readonly seq: number; readonly device: DeviceId; readonly migration?: MigrationId; readonly reason: string }
  | { readonly type: 'active'; readonly freezeMs: DurationMs }
  | { readonly type: 'thawed' }
  | { readonly type: 'retired' }
  | { readonly type: 'cancel'; readonly refusal: Refusal }
  | { readonly type: 'tick' };

export type MigrationEffect =
  /** The state to tell about: phases that follow each other at once are told one by one. */
  | { readonly type: 'publish-status'; readonly state: MigrationState }
  | { readonly type: 'prepare-target' }
  | { readonly type: 'append-intent' }
  /** Copying while the thread runs; a runtime that cannot has nothing to copy before the freeze, and says so at once. */
  | { readonly type: 'copy-live' }
  | { readonly type: 'freeze-source' }
  | { readonly type: 'append-own'; readonly epoch: number; readonly device: DeviceId; readonly reason: Outcome; readonly checkpoint: number; readonly note: string }
  | { readonly type: 'read-own' }
  | { readonly type: 'activate-target'; readonly epoch: number; readonly ownSeq: number }
  | { readonly type: 'thaw-source'; readonly epoch: number; readonly ownSeq: number }
  | { readonly type: 'retire-source'; readonly epoch: number }
  | { readonly type: 'discard-target' };

export interface Step {
  readonly state: MigrationState;
  readonly effects: readonly MigrationEffect[];
}
