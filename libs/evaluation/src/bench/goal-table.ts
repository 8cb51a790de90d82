/** The table of the goals: a line per family, each figure with its goal and a verdict. */
import { LEVELS } from '@godwit/forecasting';
import { COMBINATION, NAIVE, type TraceTable } from '../index.js';
import { R_MODELS, hardest, type FamilyScores } from './family-scores.js';

const GOAL = { bestR: 0.9, naive: 0.98, walk: 1.02, coveragePoints: 5, overallCoveragePoints: 1.5, cost: 1 / 500, recall: 1.5 } as const;
const NOMINAL = { p50: 50, p80: 80, p95: 95 } as const;

export interface GoalInput { readonly name: string; readonly walk: boolean; readonly windows: number; readonly scores: FamilyScores; readonly table: TraceTable | undefined }

interface Figure { readonly text: string; readonly met: boolean | undefined }
type Line = readonly { readonly heading: string; readonly figure: Figure }[];

const NONE: Figure = { text: '-', met: undefined };
const atMost = (value: number, goal: number, note = ''): Figure => ({ text: `${value.toFixed(2)}${note}`, met: value <= goal });

export function goalLines(inputs: readonly GoalInput[]): string[] {
  const lines = inputs.map((input) => ({ input, line: lineOf(input) }));
  const headings = ['family', ...(lines[0]?.line.map(({ heading }) => heading) ?? [])];
  const rows = lines.map(({ input, line }) => [`${input.name} (${input.windows})`, ...line.map(({ figure }) => `${figure.text}${figure.met === undefined ? '' : figure.met ? ' yes' : ' NO'}`)]);
  const totals = ['met', ...(lines[0]?.line ?? []).map((_, k) => {
    const judged = lines.map(({ line }) => line[k]!.figure.met).filter((met) => met !== undefined);
    return `${judged.filter(Boolean).length} of ${judged.length}`;
  })];
  const all = [headings, ...rows, totals];
  const widths = headings.map((_, k) => Math.max(...all.map((row) => row[k]!.length)));
  return [...all.map((row) => row.map((cell, k) => cell.padEnd(widths[k]!)).join('  ').trimEnd()), ...overallCoverage(inputs)];
}

function lineOf({ walk, scores, table }: GoalInput): Line {
  const r = hardest(scores, R_MODELS.map((name) => `R ${name}`));
  const naive = hardest(scores, [...NAIVE, 'R naive', 'R median']);
  const naiveGoal = walk ? GOAL.walk : GOAL.naive;
  const rGoal = walk ? GOAL.walk : GOAL.bestR;
  const own = table?.rows.find(({ model }) => model === COMBINATION);
  const short = (name: string): string => ` ${name.replace(/^R /, '')}`;
  return [
    { heading: `MASE / best R ≤ ${GOAL.bestR}`, figure: r ? atMost(r.mase.mase, rGoal, short(r.mase.name)) : NONE },
    { heading: `pinball / best R ≤ ${GOAL.bestR}`, figure: r ? atMost(r.pinball.pinball, rGoal, short(r.pinball.name)) : NONE },
    { heading: `AvgRelMAE / best R ≤ ${GOAL.bestR}`, figure: r ? atMost(r.avgRelMae.avgRelMae, rGoal, short(r.avgRelMae.name)) : NONE },
    { heading: `MASE / naive ≤ ${GOAL.naive}`, figure: naive ? atMost(naive.mase.mase, naiveGoal, short(naive.mase.name)) : NONE },
    { heading: `pinball / naive ≤ ${GOAL.naive}`, figure: naive ? atMost(naive.pinball.pinball, naiveGoal, short(naive.pinball.name)) : NONE },
    { heading: `AvgRelMAE / naive ≤ ${GOAL.naive}`, figure: naive ? atMost(naive.avgRelMae.avgRelMae, naiveGoal, short(naive.avgRelMae.name)) : NONE },
    { heading: `50/80/95 % hold ± ${GOAL.coveragePoints}`, figure: coverageFigure(own?.coverage ?? null, GOAL.coveragePoints) },
    { heading: 'cost / auto.arima ≤ 1/500', figure: own && scores.arimaMs !== undefined ? costFigure(own.costUs, scores.arimaMs) : NONE },
    { heading: `recall / reactive ≥ ${GOAL.recall}`, figure: walk ? NONE : recallFigure(own?.recall ?? null, table) },
  ];
}

type Shares = { readonly p50: number; readonly p80: number; readonly p95: number } | null;

function coverageFigure(coverage: Shares, points: number): Figure {
  if (coverage === null) return NONE;
  const keys = ['p50', 'p80', 'p95'] as const;
  return { text: keys.map((key) => (100 * coverage[key]).toFixed(1)).join('/'), met: keys.every((key) => Math.abs(100 * coverage[key] - NOMINAL[key]) <= points) };
}

const costFigure = (ownUs: number, arimaMs: number): Figure => ({ text: `${ownUs.toFixed(0)} µs: 1/${(arimaMs * 1_000 / ownUs).toFixed(0)}`, met: ownUs / 1_000 / arimaMs <= GOAL.cost });

function recallFigure(recall: number | null, table: TraceTable | undefined): Figure {
  const reactive = table?.reactive.recall ?? null;
  if (recall === null || reactive === null || table === undefined) return NONE;
  const both = `${(100 * recall).toFixed(0)} : ${(100 * reactive).toFixed(0)} % of ${table.events}`;
  return { text: both, met: recall >= GOAL.recall * reactive && recall > 0 };
}

/** Coverage over all families that can be predicted or not, each weighted by its scored forecasts. */
function overallCoverage(inputs: readonly GoalInput[]): string[] {
  const parts = inputs.flatMap(({ table }) => {
    const coverage = table?.rows.find(({ model }) => model === COMBINATION)?.coverage;
    return coverage && table ? [{ coverage, weight: table.settled }] : [];
  });
  const weight = parts.reduce((sum, part) => sum + part.weight, 0);
  if (weight === 0) return [];
  const mean = (key: 'p50' | 'p80' | 'p95'): number => parts.reduce((sum, part) => sum + part.weight * part.coverage[key], 0) / weight;
  const { text, met } = coverageFigure({ p50: mean('p50'), p80: mean('p80'), p95: mean('p95') }, GOAL.overallCoveragePoints);
  return [`overall, 50/80/95 % intervals hold ${text} (within ${GOAL.overallCoveragePoints} points: ${met ? 'yes' : 'NO'}); ${weight} forecasts of single steps at ${LEVELS.length} levels`];
}
