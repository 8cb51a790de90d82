import type { Board } from '../board.js';
import type { ScoreWeights } from '../limits.js';
import type { MoveRequest, Simulated } from '../request.js';

/** Ranks a target that passed the filters. Pure. */
export interface ScorePlugin {
  readonly name: keyof ScoreWeights;
  readonly doc: string;
  /** 0..1, higher is better. */
  score(board: Board, request: MoveRequest, simulated: Simulated): number;
}
export const unit = (value: number): number => (value > 0 ? Math.min(1, value) : 0);
