import { unit, type ScorePlugin } from './score.js';

export const relief: ScorePlugin = {
  name: 'relief', doc: 'Share of the predicted overload of both ends that the move avoids; 1 where there is none to avoid.',
  score: (_board, _request, { before, after }) => (before > 0 ? unit((before - after) / before) : 1),
};
