import type { DurationMs } from '@godwit/kernel';
import type { Board, DeviceState, ThreadState } from '../board.js';
import type { Action, Candidate } from '../decision.js';
import type { Firing } from '../trigger/index.js';

/** A step of the ladder that would help. */
export interface Proposal {
  readonly kind: 'proposal';
  readonly action: Extract<Action, 'migrate' | 'throttle'>;
  readonly thread: ThreadState;
  readonly target?: DeviceState;
  readonly throttleCores?: number;
  readonly net: number;
  readonly cost: number;
  /** When it takes effect, ms from now. */
  readonly effectiveInMs: DurationMs;
  readonly freezeMs?: DurationMs;
  readonly candidates: readonly Candidate[];
  /** What it is and why, as the second part of the reason. */
  readonly text: string;
  /** Counts it in the simulated cluster. */
  promise(): void;
}

export interface Declined {
  readonly kind: 'declined';
  readonly reason: string;
  /** The thread that came nearest to it. */
  readonly thread?: ThreadState;
  readonly candidates: readonly Candidate[];
}

/** One step of the ladder: what it could do about a firing. Pure but for `promise`. */
export interface ActPlugin {
  readonly name: string;
  readonly doc: string;
  propose(board: Board, firing: Firing): Proposal | Declined;
}
