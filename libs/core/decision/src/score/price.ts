import { unit, type ScorePlugin } from './score.js';

export const price: ScorePlugin = {
  name: 'price', doc: 'Price per hour against the dearest device.',
  score: (board, { target }) => (board.dearestPerHour > 0 ? unit(1 - target.view.spec.pricePerHour / board.dearestPerHour) : 1),
};
