/** `train`: a neural model from the user's own recordings, written with its card. */
import { Xoshiro128, isRefusal } from '@godwit/kernel';
import { onGrid, splitByEntity, type GridSeries } from '@godwit/evaluation';
import { readCsv } from '@godwit/series-source';
import {
  cardMarkdown, DEFAULT_ARCHITECTURE, digestOf, generatedHeldOut, loadModel, modelCard, modelOf, saveModel, setDefaultVersion, SHIPPED_MODELS, STEP_WINDOWS, trainInWorker,
  type CardSource, type ModelCard, type NeuralModel, type TrainingPlan, type TrainingProgress,
} from '@godwit/tfjs';
import { InvalidArgumentError, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Terminal } from '../cli.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { count, positive, whole } from '../options.js';

const WINDOWS_PER_EPOCH = 12_800;
const EPOCHS = { recorded: 20, generated: 60 } as const;
/** Adam's largest rate for fresh weights, and for those of a trained model. */
const RATE = { fresh: 0.0025, trained: 0.0003 } as const;
/** Beside few recordings the generator keeps the model from learning them by heart. */
const GENERATED_RATIO = 0.3;
const GENERATED_HELD_OUT = 300;

interface TrainOptions {
  readonly out: string;
  readonly epochs?: number;
  readonly windows: number;
  readonly seed: number;
  readonly step?: number;
  readonly holdOut: number;
  readonly entity?: string;
  readonly column?: readonly string[];
  readonly generated?: true;
  readonly fresh?: true;
}

interface Recordings { readonly train: readonly Float64Array[]; readonly heldOut: readonly Float64Array[]; readonly sources: readonly CardSource[]; readonly heldOutAs: string }

async function read(traces: readonly string[], { step, holdOut, seed, entity, column }: TrainOptions): Promise<Recordings> {
  const sources: CardSource[] = [];
  const all: GridSeries[] = [];
  for (const path of traces) {
    const recorded = await readCsv(path, { ...(entity === undefined ? {} : { entity }), ...(column === undefined ? {} : { values: column }) });
    if (isRefusal(recorded)) throw new CommandFailure(recorded.code === 'not-found' ? EXIT.notFound : EXIT.usage, recorded.reason);
    const gridded: GridSeries[] = [];
    for (const series of recorded) {
      const grid = onGrid(series, step === undefined ? undefined : step * 1_000);
      // A file of one sample an entity has no step; another one's mistake must not cost the whole training.
      if (!isRefusal(grid)) gridded.push({ ...grid, entity: grid.entity === '' ? path : grid.entity });
    }
    if (gridded.length === 0) throw new CommandFailure(EXIT.usage, `${path} has no series that fits on a grid`, 'Give the step with --step, in seconds.');
    all.push(...gridded);
    sources.push({ name: basename(path), series: gridded.length, samples: recorded.reduce((sum, { values }) => sum + values.length, 0), sha256: digestOf(await readFile(path)) });
  }
  const { train, test } = splitByEntity(all, 1 - holdOut, Xoshiro128.seeded(seed));
  if (train.length === 0) throw new CommandFailure(EXIT.usage, 'all series are of one entity: none is left to train on when one is held out', 'Name the column that tells entities apart with --entity, or give more traces.');
  const entities = new Set(test.map((series) => series.entity)).size;
  return { train: train.map(({ values }) => values), heldOut: test.map(({ values }) => values), sources, heldOutAs: `${entities} entities that were held out` };
}

const generated = (seed: number): Recordings => ({
  train: [], heldOut: generatedHeldOut(seed, GENERATED_HELD_OUT), heldOutAs: 'generated series of another seed',
  sources: [{ name: `the generator, seed ${seed}`, series: 0, samples: 0, sha256: null }],
});

function planOf(options: TrainOptions, begunWith: NeuralModel | undefined): TrainingPlan {
  return {
    seed: options.seed, epochs: options.epochs ?? EPOCHS[options.generated ? 'generated' : 'recorded'], stepsPerEpoch: Math.ceil(options.windows / STEP_WINDOWS), architecture: begunWith?.architecture ?? DEFAULT_ARCHITECTURE,
    ...(begunWith ? { start: begunWith.weights, rate: RATE.trained } : { rate: RATE.fresh }), generatedRatio: options.generated ? 1 : GENERATED_RATIO,
  };
}

async function train(traces: readonly string[], options: TrainOptions, json: boolean, terminal: Terminal): Promise<void> {
  if ((traces.length > 0) === (options.generated === true)) throw new CommandFailure(EXIT.usage, options.generated ? 'traces and --generated exclude each other' : 'no traces were given', 'Give CSV files, or --generated.');
  const recordings = options.generated ? generated(options.seed) : await read(traces, options);
  const shipped = options.fresh || options.generated ? undefined : await loadModel(SHIPPED_MODELS);
  if (isRefusal(shipped)) throw new CommandFailure(EXIT.failed, `the shipped model cannot be read: ${shipped.reason}`, 'Train from fresh weights with --fresh.');
  const plan = planOf(options, shipped);
  const beganMs = terminal.nowMs();
  const show = (progress: TrainingProgress): void => showProgress(progress, terminal.nowMs() - beganMs, terminal);
  const { weights, score, backend } = await trainInWorker({ recordings: recordings.train, heldOut: recordings.heldOut, plan, onProgress: show, signal: terminal.interrupted });
  if (score.windows === 0) throw new CommandFailure(EXIT.failed, 'no window of what was held out can be scored', 'Hold out more with --hold-out, or give longer traces.');
  const day = new Date(terminal.nowMs()).toISOString().slice(0, 10);
  const model = modelOf(plan.architecture, weights, day);
  const card = modelCard({ model, plan, day, backend, begunWith: shipped?.version ?? null, data: recordings.sources, heldOut: recordings.heldOutAs, score });
  const folder = resolve(terminal.folder, options.out);
  const home = await saveModel(folder, model, { 'card.json': `${JSON.stringify(card, null, 2)}\n`, 'card.md': cardMarkdown(card) });
  if (card.warning === null) await setDefaultVersion(folder, model.version);
  terminal.out(json ? `${JSON.stringify({ folder: home, ...card })}\n` : told(card, home));
}

function showProgress({ epoch, epochs, loss }: TrainingProgress, spentMs: number, terminal: Terminal): void {
  const leftSeconds = Math.round((spentMs / epoch / 1_000) * (epochs - epoch));
  const text = `epoch ${epoch}/${epochs}  loss ${loss.toFixed(4)}  ${Math.floor(leftSeconds / 60)}:${String(leftSeconds % 60).padStart(2, '0')} left`;
  terminal.err(terminal.isTty ? `\r\u001b[K${text}${epoch === epochs ? '\n' : ''}` : `${text}\n`);
}

function told({ heldOut, overBetterNaive, warning, version }: ModelCard, home: string): string {
  const percent = Math.abs(100 * (1 - overBetterNaive)).toFixed(1);
  return [
    `${version}: ${home}`,
    `loss on ${heldOut.what}: ${heldOut.neural.toFixed(4)}; last value ${heldOut.lastValue.toFixed(4)}, rolling median ${heldOut.rollingMedian.toFixed(4)}: ${percent} % ${overBetterNaive < 1 ? 'below' : 'above'} the better one`,
    ...(warning === null ? ['it is now the default of its folder'] : [`warning: ${warning}`]), '',
  ].join('\n');
}

function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value < 1)) throw new InvalidArgumentError('a number between 0 and 1 expected.');
  return value;
}
const columns = (column: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), column];

export function addTrain(program: Command, terminal: Terminal): void {
  program.command('train').description('train the neural model on recordings; a held-out part of the entities tells how good it is').argument('[traces...]', 'CSV files with a time column, plain or packed by gzip')
    .option('--out <folder>', 'where models are kept, a folder a version', 'models').option('--epochs <n>', `default: ${EPOCHS.recorded}, with --generated ${EPOCHS.generated}`, count).option('--windows <n>', 'windows drawn in an epoch', positive, WINDOWS_PER_EPOCH)
    .option('--seed <n>', 'of windows, the hold-out and fresh weights', whole, 1).option('--step <seconds>', 'step of the grid; default: each series’ median', positive)
    .option('--hold-out <ratio>', 'share of the entities that is held out', ratio, 0.2).option('--entity <column>', 'tells entities apart; default: found by name').option('--column <name>', 'a column of values; repeatable; default: all', columns)
    .option('--fresh', 'begin with fresh weights instead of the shipped model’s').option('--generated', 'train on generated series, as the shipped model was')
    .action(async (traces: readonly string[], options: TrainOptions, command: Command) => train(traces, options, command.optsWithGlobals<{ json?: boolean }>().json === true, terminal));
}
