/**
 * How long a move will take, so that it can be compared with the time until the overload: a model of the rounds, and
 * beside it what moves really took, as the model's error that is learnt.
 *
 * The model: round 0 carries the state, each further round what the thread changed during the round before, so with
 * ρ = dirty rate ÷ link rate the rounds take S/r · (1 + ρ + ρ² + …), cut off where the remainder no longer matters or
 * where they cease to shrink; then the slowing of the thread is what ends it, and costs its patience.
 * What is learnt is the logarithm of actual ÷ model (its mean and its spread, exponentially weighted): wrong link rates,
 * hashing, a busy machine all show there, and multiply.
 */
import type { DurationMs } from '@godwit/kernel';

export interface MovePlanned {
  readonly stateBytes: number;
  readonly dirtyBytesPerSecond: number;
  readonly linkBytesPerSecond: number;
}
export interface MoveDone extends MovePlanned {
  /** From the preparation of the target to the thread running there. */
  readonly totalMs: DurationMs;
}
export interface MoveModel {
  /** Past moves, each weighing less than the one after it. */
  readonly weight: number;
  readonly meanLogError: number;
  readonly varianceLogError: number;
}
/** Before the first move: spread enough to be wrong by a factor of two. */
export const UNTAUGHT_MOVES: MoveModel = { weight: 0, meanLogError: 0, varianceLogError: 0.25 };

export interface MoveForecast {
  readonly totalMsP50: DurationMs;
  readonly totalMsP90: DurationMs;
  /** Bytes over the link. */
  readonly bytes: number;
  /** The rounds shrink by themselves: the thread need not be slowed. */
  readonly converges: boolean;
}

/** Preparation of the target, intent, commit: what a move of nothing takes. */
const OVERHEAD_MS = 60;
const REMAINDER_BYTES = 256 * 1024;
const MOST_ROUNDS = 12;
const MEMORY_WEIGHT = 8;
const Z90 = 1.2816;

function rounds({ stateBytes, dirtyBytesPerSecond, linkBytesPerSecond }: MovePlanned): { bytes: number; seconds: number; converges: boolean } {
  const link = Math.max(1, linkBytesPerSecond);
  let bytes = 0;
  let next = stateBytes;
  for (let round = 0; round < MOST_ROUNDS && next > REMAINDER_BYTES; round++) {
    bytes += next;
    next = Math.min(stateBytes, (dirtyBytesPerSecond * next) / link);
  }
  bytes += Math.min(next, stateBytes);
  return { bytes, seconds: bytes / link, converges: next <= REMAINDER_BYTES };
}

/** @returns the time of a move from its order to the thread running at the target */
export function timeToMove(model: MoveModel, planned: MovePlanned): MoveForecast {
  const { bytes, seconds, converges } = rounds(planned);
  const modelled = OVERHEAD_MS + seconds * 1_000;
  const spread = Math.sqrt(model.varianceLogError);
  const totalMsP50 = modelled * Math.exp(model.meanLogError);
  return { totalMsP50, totalMsP90: totalMsP50 * Math.exp(Z90 * spread), bytes, converges };
}

/** The model after one more move; recent ones count more. */
export function learnMove(model: MoveModel, done: MoveDone): MoveModel {
  const { seconds } = rounds(done);
  const error = Math.log(Math.max(1, done.totalMs) / (OVERHEAD_MS + seconds * 1_000));
  const weight = Math.min(MEMORY_WEIGHT, model.weight + 1);
  const share = 1 / weight;
  const surprise = error - model.meanLogError;
  // The first moves still lean on the prior spread, or one lucky move would look like certainty.
  return {
    weight, meanLogError: model.meanLogError + share * surprise,
    varianceLogError: Math.max(0.01, model.varianceLogError + (surprise * surprise - model.varianceLogError) / (weight + 1)),
  };
}
