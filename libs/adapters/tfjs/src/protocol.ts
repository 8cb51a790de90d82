/** What the worker and its host say to each other. Plain data; arrays of numbers are handed over, not copied. */
import type { BackendName } from './backend.js';
import type { Refinement } from './refinement.js';
import type { HeldOutScore, TrainingPlan, TrainingProgress } from './train-model.js';

/** What the worker is born with. */
export interface WorkerStart {
  /** Absent for training alone. */
  readonly model?: { readonly version: string; readonly architecture: TrainingPlan['architecture']; readonly weights: Float32Array };
  readonly backend?: BackendName;
  readonly seed: number;
}

/** Histories end to end, and how long each is. */
export interface Histories { readonly values: Float64Array; readonly lengths: Int32Array }

export type Task =
  | { readonly kind: 'predict'; readonly histories: Histories; readonly keys: Int32Array; readonly steps: number }
  | { readonly kind: 'refine' }
  | { readonly kind: 'train'; readonly recordings: Histories; readonly plan: TrainingPlan }
  | { readonly kind: 'score'; readonly recordings: Histories; readonly architecture: TrainingPlan['architecture']; readonly weights: Float32Array };

export interface Outcomes {
  /** Paths end to end, `steps` × LEVELS each; NaN where a history was too short. */
  predict: { readonly values: Float64Array; readonly busyMs: number };
  refine: Refinement;
  train: Float32Array;
  score: HeldOutScore;
}

export interface Request { readonly id: number; readonly task: Task }

export type Report =
  | { readonly type: 'ready'; readonly backend: BackendName }
  | { readonly type: 'progress'; readonly id: number; readonly progress: TrainingProgress }
  | { readonly type: 'done'; readonly id: number; readonly outcome: Outcomes[Task['kind']] }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

export function pack(histories: readonly ArrayLike<number>[]): Histories {
  const lengths = Int32Array.from(histories, ({ length }) => length);
  const values = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const history of histories) {
    values.set(history, at);
    at += history.length;
  }
  return { values, lengths };
}

export function unpack({ values, lengths }: Histories): Float64Array[] {
  let at = 0;
  return Array.from(lengths, (length) => values.subarray(at, (at += length)));
}
