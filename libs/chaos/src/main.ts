/**
 * `npm run chaos -- [--runs N] [--cell NAME]… [--seed S] [--full] [--short] [--list] [--hundred] [--old-broker]
 * [--verbose] [--keep]`: faults on a
 * whole Godwit of real processes. Ends with 1 when an invariant was violated, an outcome was not the matrix', or a planned
 * fault was not made.
 */
import { parseArgs } from 'node:util';
import { enclosed, inside, type Inside } from './enclosure.js';
import { hundredMoves } from './hundred.js';
import { CELLS, NEEDS, SHORT, type Cell } from './matrix.js';
import { oneHost, severalHosts } from './network.js';
import { oldBroker } from './old-broker.js';
import { runCell, type CellResult } from './run-cell.js';
import { DEVICES, Rig } from './rig.js';
import { failed, line, report, vacuous } from './tally.js';

const { values } = parseArgs({ options: {
  runs: { type: 'string' }, cell: { type: 'string', multiple: true }, seed: { type: 'string', default: '1' }, full: { type: 'boolean', default: false }, short: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false }, hundred: { type: 'boolean', default: false }, 'old-broker': { type: 'boolean', default: false }, moves: { type: 'string', default: '100' }, verbose: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false },
} });
/** Without a word about how many, so many cells by chance. */
const DEFAULT_RUNS = 24;
/** What is broken now will be broken for the next cell too. */
const BROKEN_IN_A_ROW = 3;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Cells in the order in which they are run; one may stand there more than once. */
function chosen(seed: number): readonly Cell[] {
  const named = values.short ? CELLS.filter(({ name }) => SHORT.includes(name)) : CELLS.filter(({ name, fault, phase }) => values.cell === undefined || values.cell.some((one) => one === name || one === fault || one === `@${phase}`));
  const all = values.full || values.short || (values.cell !== undefined && values.runs === undefined);
  const runs = values.runs === undefined ? (all ? named.length : DEFAULT_RUNS) : Number(values.runs);
  const order = shuffled(named, seed);
  return Array.from({ length: named.length === 0 ? 0 : runs }, (_, i) => order[i % order.length]!);
}

/** By the seed, so that rows of one fault do not follow each other; a long run goes through all before it begins anew. */
function shuffled(cells: readonly Cell[], seed: number): Cell[] {
  let state = seed * 2_654_435_761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return cells.map((cell) => ({ cell, place: next() })).sort((a, b) => a.place - b.place).map(({ cell }) => cell);
}

async function matrix(rig: Rig, seed: number): Promise<boolean> {
  const skipped = new Map<string, number>();
  const planned = chosen(seed).filter(({ fault }) => {
    const need = NEEDS[fault];
    const why = need === 'hosts' ? rig.options.network.missing : need === 'image' ? rig.broker.noImage : undefined;
    if (why !== undefined) skipped.set(`${fault}: ${why}`, (skipped.get(`${fault}: ${why}`) ?? 0) + 1);
    return why === undefined;
  });
  for (const [why, runs] of skipped) say(`skipped ${runs} of ${why}`);
  const results: CellResult[] = [];
  const broken: string[] = [];
  let inARow = 0;
  const wish = { end: false };
  // Ctrl-C once: the run that is under way is the last; twice: at once.
  process.on('SIGINT', () => (wish.end ? process.exit(130) : void (wish.end = true)));
  for (const [index, cell] of planned.entries()) {
    if (wish.end) break;
    const one = seed + index;
    try {
      const result = await runCell(rig, cell, one);
      results.push(result);
      inARow = 0;
      say(line(result));
      if (failed(result)) say(`  again: npm run chaos -- --cell ${cell.name} --seed ${one}`);
    } catch (error) {
      broken.push(cell.name);
      inARow++;
      say(`${cell.name.padEnd(28)} seed ${one}  RIG: ${(error as Error).message}`);
      if (inARow === BROKEN_IN_A_ROW) break;
    }
  }
  for (const text of report(results)) say(text);
  if (rig.lateVerdicts > 0) say(`${rig.lateVerdicts} registrations had no verdict in time and were sent again`);
  const missing = vacuous(results, planned);
  for (const text of missing) say(`not worth anything (I13): ${text}`);
  return results.length > 0 && !results.some(failed) && broken.length === 0 && missing.length === 0;
}

async function work({ folder, name, oneHost: why }: Inside): Promise<boolean> {
  const seed = Number(values.seed);
  const network = why === undefined ? await severalHosts(DEVICES, name) : oneHost(why);
  say(network.missing === undefined ? `three hosts in namespaces ${name}-*` : `one host: ${network.missing}`);
  const rig = await Rig.start({ folder, network, say: values.verbose ? say : () => undefined });
  try {
    if (values.hundred) return await hundredMoves(rig, { seed, moves: Number(values.moves), say });
    if (values['old-broker']) return await oldBroker(rig, { seed, say });
    return await matrix(rig, seed);
  } finally {
    await rig.stop();
  }
}

const within = inside();
if (values.list) for (const { name, expected } of CELLS) say(`${name.padEnd(28)} ${expected}`);
else if (within === undefined) process.exitCode = await enclosed({ keep: values.keep });
else process.exitCode = (await work(within)) ? 0 : 1;
