/** What a model was made from, when, and how good it is: for people (Markdown) and for programs (JSON). */
import type { BackendName } from './backend.js';
import type { NeuralModel } from './model-file.js';
import { weightCount } from './network.js';
import { STEP_WINDOWS, type HeldOutScore, type TrainingPlan } from './train-model.js';

/** A source of training data: a file, or the generator. */
export interface CardSource {
  readonly name: string;
  /** 0 for generated data, which is drawn anew all the time. */
  readonly series: number;
  readonly samples: number;
  /** Null for generated data: its seed tells it. */
  readonly sha256: string | null;
}

export interface ModelCard {
  readonly version: string;
  readonly trainedOn: string;
  readonly seed: number;
  readonly backend: BackendName;
  readonly architecture: TrainingPlan['architecture'] & { readonly weights: number };
  readonly begunWith: string | null;
  readonly epochs: number;
  readonly windows: number;
  readonly generatedRatio: number;
  readonly data: readonly CardSource[];
  readonly heldOut: HeldOutScore & { readonly what: string };
  /** Loss over that of the better naive model; below 1 is better. */
  readonly overBetterNaive: number;
  readonly warning: string | null;
}

export interface CardFacts {
  readonly model: NeuralModel;
  readonly plan: TrainingPlan;
  readonly day: string;
  readonly backend: BackendName;
  /** Version of the model whose weights it began with. */
  readonly begunWith: string | null;
  readonly data: readonly CardSource[];
  readonly heldOut: string;
  readonly score: HeldOutScore;
}

export function modelCard({ model, plan, day, backend, begunWith, data, heldOut, score }: CardFacts): ModelCard {
  const overBetterNaive = score.neural / Math.min(score.lastValue, score.rollingMedian);
  return {
    version: model.version, trainedOn: day, seed: plan.seed, backend, begunWith, epochs: plan.epochs, windows: plan.epochs * plan.stepsPerEpoch * STEP_WINDOWS, generatedRatio: plan.generatedRatio,
    architecture: { ...plan.architecture, weights: weightCount(plan.architecture) }, data, heldOut: { ...score, what: heldOut }, overBetterNaive,
    warning: overBetterNaive < 1 ? null : 'This model does not beat the better of last value and rolling median on what it was not trained on. It was not made the default.',
  };
}

export function cardMarkdown(card: ModelCard): string {
  const { heldOut, architecture } = card;
  const figure = (value: number): string => (Number.isFinite(value) ? value.toFixed(4) : 'none');
  return [
    `# Model ${card.version}`, '',
    ...(card.warning === null ? [] : [`> **Warning.** ${card.warning}`, '']),
    `Trained on ${card.trainedOn} with seed ${card.seed} on the ${card.backend} backend: ${card.epochs} epochs, ${card.windows} windows, ${Math.round(card.generatedRatio * 100)} % of them generated; ${card.begunWith === null ? 'from fresh weights' : `from the weights of ${card.begunWith}`}.`, '',
    `LSTM of ${architecture.lstmUnits} units over 16 patches of 8 steps, a head of 2 × ${architecture.headUnits} units shared by the leads 1, 2, 4 … 64; nine quantiles; ${architecture.weights} weights.`, '',
    '| data | series | samples | SHA-256 |', '| --- | --- | --- | --- |',
    ...card.data.map(({ name, series, samples, sha256 }) => (sha256 === null ? `| ${name} | drawn anew | for each window | by the seed |` : `| ${name} | ${series} | ${samples} | ${sha256} |`)), '',
    `Error on ${heldOut.what} (${heldOut.series} series, ${heldOut.windows} windows): mean pinball loss × 2 over leads and levels, in mean one-step changes of the series.`, '',
    '| model | loss | over the better naive one |', '| --- | --- | --- |',
    ...([['this model', heldOut.neural], ['last value', heldOut.lastValue], ['rolling median', heldOut.rollingMedian]] as const).map(([name, loss]) => `| ${name} | ${figure(loss)} | ${figure(loss / Math.min(heldOut.lastValue, heldOut.rollingMedian))} |`), '',
  ].join('\n');
}
