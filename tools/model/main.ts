/**
 * `npm run model`: the protocol's model in every state, and each broken variant until it breaks. Ends with 1 when the base
 * fails, a variant does not or for another reason than it should, or spin is not here.
 */
import { commandOf, findTools, search, type Searched, type Tools } from './spin.ts';
import { BASES, VARIANTS, type Build, type Variant } from './variants.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const row = (name: string, verdict: string, { states, transitions, memoryMb, seconds }: Searched, about: string): void =>
  say(`${name.padEnd(14)}${verdict.padEnd(12)}${states.toLocaleString('en').padStart(12)} states ${transitions.toLocaleString('en').padStart(13)} transitions ${memoryMb.toFixed(0).padStart(6)} MB ${seconds.toFixed(1).padStart(7)} s  ${about}`);

async function base(tools: Tools, build: Build): Promise<boolean> {
  const searched = await search(tools, build, false);
  const isWell = searched.broken === undefined && searched.cutShort === undefined;
  const { inputs, epochs, losses, crashes } = build.size;
  row(build.name, isWell ? 'holds' : 'FAILS', searched, `${build.about}: ${inputs} inputs, ${epochs} epochs, ${losses} lost, ${crashes} crashed`);
  if (!isWell) say(`  ${searched.broken ? `broken: assert(${searched.broken}); the way there: ${commandOf(build)}, then spin -t -p` : `not every state was seen: ${searched.cutShort}`}`);
  return isWell;
}

async function variant(tools: Tools, build: Variant): Promise<boolean> {
  const searched = await search(tools, build, true);
  const isFound = searched.broken?.includes(build.breaks) ?? false;
  row(build.name, isFound ? 'breaks' : 'NOT FOUND', searched, `${build.about}: assert(${searched.broken ?? `${build.breaks} …) holds`}${searched.broken ? ')' : ''}`);
  return isFound;
}

async function main(): Promise<number> {
  const tools = findTools();
  if (typeof tools === 'string') {
    say(`the model was not checked: ${tools}`);
    return 1;
  }
  let failures = 0;
  for (const build of VARIANTS) if (!(await variant(tools, build))) failures++;
  for (const build of BASES) if (!(await base(tools, build))) failures++;
  say(failures === 0 ? `the model holds, and each of its ${VARIANTS.length} rules is needed` : `${failures} of ${VARIANTS.length + BASES.length} not as they should be`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
