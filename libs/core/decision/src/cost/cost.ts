import type { Board } from '../board.js';
import type { MoveRequest } from '../request.js';

/** What a move costs, in the unit of its gain. Pure. */
export interface CostPlugin {
  readonly name: string;
  readonly doc: string;
  /** Core-seconds over the horizon, ≥ 0. */
  coreSeconds(board: Board, request: MoveRequest): number;
}
