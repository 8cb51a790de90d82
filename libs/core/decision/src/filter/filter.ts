import type { Code } from '@godwit/kernel';
import type { Board } from '../board.js';
import type { MoveRequest, Purpose } from '../request.js';

/** Says no to a target, with a reason. Pure. */
export interface FilterPlugin {
  readonly name: string;
  readonly doc: string;
  /** Code of the refusal that a person gets who asks for the move. */
  readonly code: Code;
  /** Purposes for which it is asked. */
  readonly purposes: readonly Purpose[];
  /** The reason, beginning with the device or thread it is about; undefined when the target will do. */
  refuse(board: Board, request: MoveRequest): string | undefined;
}

export const EVERY_PURPOSE: readonly Purpose[] = ['relieve', 'evacuate', 'place', 'restore', 'manual'];
