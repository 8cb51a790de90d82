/** What every plugin of the later stages is asked about: one thread, one target. */
import type { DeviceState, ThreadState } from './board.js';
import type { MoveEstimate } from './move-estimate.js';

/** `relieve`: to gain something. `evacuate`: the source is drained or about to fail. The others need no gain either. */
export type Purpose = 'relieve' | 'evacuate' | 'place' | 'restore' | 'manual';

export interface MoveRequest {
  readonly thread: ThreadState;
  /** Absent where there is no source to relieve: a thread without an owner, or with a dead one. */
  readonly source?: DeviceState;
  readonly target: DeviceState;
  readonly purpose: Purpose;
  readonly estimate: MoveEstimate;
}

/** Both ends over the horizon, without and with the move, core-seconds. */
export interface Simulated {
  readonly before: number;
  readonly after: number;
  /** True overload, where `before` and `after` measure against a lower mark (threshold trigger). */
  readonly overloadBefore: number;
  readonly overloadAfter: number;
}
