/** What a table of scores says in a sentence. */
import { COMBINATION } from './forecaster.js';
import type { TraceTable } from './trace-evaluation.js';

export interface Verdict {
  /** `better` than the better naive rule by 2 % or more in both scores; `abstains` where it is within 2 % of it; else `worse`. */
  readonly kind: 'better' | 'abstains' | 'worse' | 'unknown';
  /** The combination's scores over those of the better naive rule; below 1 is better. */
  readonly maseRatio: number | null;
  readonly pinballRatio: number | null;
  readonly text: string;
}

/** A forecast that is this close to the naive one says nothing new. */
export const ABSTAIN_RATIO = 0.02;

export function verdictOf({ rows, betterNaive }: TraceTable): Verdict {
  const own = rows.find(({ model }) => model === COMBINATION);
  if (own === undefined || own.mase === null || own.pinball === null || betterNaive === undefined) {
    return { kind: 'unknown', maseRatio: null, pinballRatio: null, text: 'nothing to judge by: the series never move, or are shorter than warm-up and horizon' };
  }
  const scoreOf = (model: string, score: 'mase' | 'pinball'): number => rows.find((row) => row.model === model)![score]!;
  const maseRatio = own.mase / scoreOf(betterNaive.mase, 'mase');
  const pinballRatio = own.pinball / scoreOf(betterNaive.pinball, 'pinball');
  const kind = kindOf(maseRatio, pinballRatio);
  const compared = `MASE ${maseRatio.toFixed(2)} × ${betterNaive.mase}, pinball ${pinballRatio.toFixed(2)} × ${betterNaive.pinball}`;
  return { kind, maseRatio, pinballRatio, text: `${SENTENCES[kind]} (${compared})` };
}

function kindOf(maseRatio: number, pinballRatio: number): 'better' | 'abstains' | 'worse' {
  if (maseRatio > 1 + ABSTAIN_RATIO || pinballRatio > 1 + ABSTAIN_RATIO) return 'worse';
  return maseRatio <= 1 - ABSTAIN_RATIO && pinballRatio <= 1 - ABSTAIN_RATIO ? 'better' : 'abstains';
}

const SENTENCES = {
  better: 'the combination forecasts better than the better naive rule',
  abstains: 'the combination is within 2 % of the better naive rule: there is little to predict',
  worse: 'the combination forecasts worse than the better naive rule: do not trust it here',
} as const;
