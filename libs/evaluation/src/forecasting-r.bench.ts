/**
 * Forecasting against R's forecast package: the table of the goals, per trace family, with a verdict per row.
 *
 * Windows are drawn by a seed; both sides get the same histories and forecast the same steps at the same nine quantiles. The
 * traces lie in GODWIT_TRACES or in `../shared/data/traces` beside the project; without them the bench runs on generated series.
 * R is asked for at most the budget's time, round-robin over the families. Left out: the neural model; seasons longer than a
 * history; R with more than the window (Godwit follows the same window from its first sample).
 *
 * GODWIT_BENCH_SEED (1), GODWIT_BENCH_QUICK=1 (about 2 minutes instead of 8), GODWIT_BENCH_FAMILIES (parts of names, by comma),
 * GODWIT_BENCH_WINDOWS (per family), GODWIT_BENCH_SECONDS (R's budget), GODWIT_BENCH_DETAIL=1 (every model), GODWIT_BENCH_KEEP_R=1
 * (keeps R's answers in .godwit/bench for later runs; the cost of auto.arima is then that of the run that asked).
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { Xoshiro128 } from '@godwit/kernel';
import { generateFamilies, readFamilies, readMachine, type Family } from './bench/families.js';
import { ratioTo, scoreFamily, type Drawn, type FamilyScores } from './bench/family-scores.js';
import { goalLines, type GoalInput } from './bench/goal-table.js';
import { recordMachine, recordingsIn } from './bench/machine-recording.js';
import { askR, prepareR, type RAnswer } from './bench/r-peer.js';
import { drawStretches, drawWindows, evaluateTrace, forecastPicture, quantileOf, seriesName, splitByEntity, type TraceTable, type Window } from './index.js';

const print = (line: string): void => console.log(line);
const project = resolve(import.meta.dirname, '../../..');
const { GODWIT_TRACES, GODWIT_BENCH_SEED = '1', GODWIT_BENCH_QUICK, GODWIT_BENCH_FAMILIES = '', GODWIT_BENCH_WINDOWS, GODWIT_BENCH_SECONDS, GODWIT_BENCH_KEEP_R, GODWIT_BENCH_DETAIL } = process.env;
const seed = Number(GODWIT_BENCH_SEED);
const quick = GODWIT_BENCH_QUICK !== undefined;
const detail = GODWIT_BENCH_DETAIL !== undefined;
const wanted = GODWIT_BENCH_FAMILIES.split(',').filter((part) => part !== '');
const windowsPerFamily = GODWIT_BENCH_WINDOWS === undefined ? (quick ? 4 : 20) : Number(GODWIT_BENCH_WINDOWS);
const budgetSeconds = GODWIT_BENCH_SECONDS === undefined ? (quick ? 60 : 360) : Number(GODWIT_BENCH_SECONDS);
const stretchesPerFamily = quick ? 4 : 12;
const folder = GODWIT_TRACES ?? join(project, '../shared/data/traces');
const output = join(project, '.godwit/bench');
const SIZE = { mostHistorySteps: 256, leastHistorySteps: 64, horizonSteps: 60 };
const STRETCH = { warmUpSteps: 100, scoredSteps: 300 };
const TRAIN_RATIO = 0.5;

async function main(): Promise<void> {
  mkdirSync(output, { recursive: true });
  const traces = existsSync(folder) ? await readFamilies(folder, wanted) : [];
  if (traces.length === 0) print(`no traces (${GODWIT_TRACES === undefined ? '../shared/data/traces' : 'GODWIT_TRACES'}): generated series only`);
  const machine = await readMachine(recordingsIn(output), wanted);
  if (machine.length === 0 && wanted.length === 0) print('no recording of this machine yet: this run leaves one for the next');
  const families = [...traces, ...machine, ...generateFamilies(Xoshiro128.seeded(seed), wanted)];
  const drawn = families.map((family) => draw(family));
  print(`seed ${seed}, ${families.length} families, up to ${windowsPerFamily} windows each of ${SIZE.mostHistorySteps} steps of history and ${SIZE.horizonSteps} to forecast; R has ${budgetSeconds} s`);
  const r = prepareR(print);
  print('missing' in r ? `${r.missing}; going on without R` : `R forecast ${r.version}`);
  const answers = 'missing' in r ? new Map<Window, RAnswer>() : await answersOf(drawn);
  const inputs: GoalInput[] = [];
  for (const one of drawn) {
    const scores = scoreFamily(one, answers, detail);
    inputs.push({ name: one.family.name, walk: one.family.walk, windows: one.windows.length, scores, table: walkFamily(one) });
    if (detail) printDetail(one, scores);
    writePicture(one, scores);
  }
  for (const line of goalLines(inputs)) print(line);
  print(`a ratio below 1 is Godwit's; recall of overloads ${LEAD_STEPS} steps ahead, Godwit : current value; pictures in .godwit/bench`);
}

/** The same seed draws the same of a family, whichever others there are. */
function draw(family: Family): Drawn {
  const rng = Xoshiro128.seeded([...family.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, seed * 7_919));
  const { train, test } = splitByEntity(family.series, TRAIN_RATIO, rng);
  const longest = Math.max(...family.series.map(({ values }) => values.length));
  const horizonSteps = Math.min(SIZE.horizonSteps, Math.floor(0.3 * longest));
  return { family, train, test, horizonSteps, windows: drawWindows(test, { ...SIZE, horizonSteps }, windowsPerFamily, rng) };
}

/** R's answers, asked for round-robin over the families, so that a budget that ends early cuts each alike. */
async function answersOf(drawn: readonly Drawn[]): Promise<Map<Window, RAnswer>> {
  const order = Array.from({ length: windowsPerFamily }, (_, k) => drawn.flatMap(({ windows }) => windows.slice(k, k + 1))).flat();
  const begunMs = performance.now();
  using _recording = recordMachine(output, Date.now());
  const keepIn = GODWIT_BENCH_KEEP_R === undefined ? {} : { keepIn: join(output, 'r-answers.csv') };
  const given = await askR(order.map(({ history, actual }) => ({ history, horizonSteps: actual.length })), { processes: Math.min(2, availableParallelism()), budgetSeconds, fitSeconds: 10, seed, ...keepIn });
  print(`R answered ${given.filter((answer) => answer !== undefined).length} of ${order.length} windows in ${Math.round((performance.now() - begunMs) / 1_000)} s`);
  return new Map(order.map((window, i) => [window, given[i]]));
}

const LEAD_STEPS = 10;
/** CPU time as R's is: other processes do not count. */
const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Coverage, overloads and cost need many origins: a walk over stretches of the test entities, each step scored. */
function walkFamily({ family, test, horizonSteps }: Drawn): TraceTable | undefined {
  const warmUpSteps = Math.min(STRETCH.warmUpSteps, Math.floor(0.35 * Math.max(...family.series.map(({ values }) => values.length))));
  const stretches = drawStretches(test, { steps: warmUpSteps + STRETCH.scoredSteps + horizonSteps, leastSteps: warmUpSteps + horizonSteps + 1 }, stretchesPerFamily, Xoshiro128.seeded(seed));
  if (stretches.length === 0) return undefined;
  const walk = evaluateTrace(stretches, { horizonSteps, warmUpSteps, leastLeadSteps: LEAD_STEPS, clockUs: cpuUs });
  for (;;) {
    const next = walk.next();
    if (next.done) return next.value.at(-1);
  }
}

function printDetail({ family }: Drawn, scores: FamilyScores): void {
  print(`\n${family.name}: the combination's score over each forecaster's`);
  for (const name of scores.scores.keys()) {
    const ratio = ratioTo(scores, name);
    if (ratio) print(`  ${name.padEnd(28)} MASE ${ratio.mase.toFixed(3)}  pinball ${ratio.pinball.toFixed(3)}  (${ratio.windows} windows)`);
  }
}

function writePicture({ family, windows }: Drawn, { firstPath }: FamilyScores): void {
  const window = windows[0];
  if (window === undefined || firstPath === undefined) return;
  const { series, history, actual } = window;
  const picture = forecastPicture({ title: `${family.name}: ${seriesName(series)}`, stepMs: series.stepMs, history: history.slice(-2 * actual.length), path: firstPath, actual, threshold: quantileOf(series.values, 0.95) });
  writeFileSync(join(output, `${family.name.replace(/[^a-z0-9]+/gi, '-')}.svg`), picture);
}

await main();
