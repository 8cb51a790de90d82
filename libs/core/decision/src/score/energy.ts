import { wattsPerCore } from '../board.js';
import { unit, type ScorePlugin } from './score.js';

export const energy: ScorePlugin = {
  name: 'energy', doc: 'Watts that one more busy core draws (linear power model), against the most of all devices; a device that stands empty counts as if it had to be kept awake for it.',
  score(board, { target }) {
    if (board.mostWattsPerCore <= 0) return 1;
    const share = wattsPerCore(target.view) / board.mostWattsPerCore;
    return unit(1 - (target.threads.size === 0 ? (1 + share) / 2 : share));
  },
};
