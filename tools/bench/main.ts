/**
 * Runs the benches, one after another so that none disturbs another, each in a process of its own:
 *   npm run bench [-- section…]
 * A section is a part of a bench's name, `decision/plan` or only `plan`. A bench that imports `@jest/globals` runs under
 * Jest, any other under Node. Packages come from `dist`, as they ship. Ends with 1 when a bench fails.
 */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');

interface Bench {
  /** `decision/plan` for `libs/core/decision/src/plan.bench.ts`. */
  readonly section: string;
  readonly path: string;
}

function findBenches(): Bench[] {
  return globSync('{apps,libs,examples}/**/*.bench.ts', { cwd: root, exclude: (name) => name === 'node_modules' || name === 'dist' }).sort()
    .map((path) => ({ section: `${basename(path.split('/src/')[0]!)}/${basename(path, '.bench.ts')}`, path }));
}

function commandOf({ path }: Bench): { readonly args: readonly string[]; readonly nodeOptions: string } {
  const underJest = readFileSync(join(root, path), 'utf8').includes("'@jest/globals'");
  return underJest
    ? { args: [join(root, 'node_modules/jest/bin/jest.js'), '--config', join(here, 'jest.config.mjs'), '--runTestsByPath', path], nodeOptions: '--experimental-vm-modules' }
    : { args: ['--expose-gc', '--disable-warning=ExperimentalWarning', '--import', join(here, 'built-files.mjs'), path], nodeOptions: '' };
}

/** @returns whether it ended well. */
function runBench(bench: Bench): boolean {
  const { args, nodeOptions } = commandOf(bench);
  console.log(`\n== ${bench.section} (${bench.path})`);
  const { status, signal, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: nodeOptions } });
  if (status === 0) return true;
  console.log(`${bench.section} failed: ${error?.message ?? (signal === null ? `exit ${status}` : signal)}`);
  return false;
}

const wanted = process.argv.slice(2);
const all = findBenches();
const unknown = wanted.filter((part) => !all.some(({ section }) => section.includes(part)));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(', ')}. There are: ${all.map(({ section }) => section).join(', ')}`);
  process.exitCode = 2;
} else {
  const chosen = all.filter(({ section }) => wanted.length === 0 || wanted.some((part) => section.includes(part)));
  const failed = chosen.filter((bench) => !runBench(bench));
  console.log(`\n${chosen.length - failed.length} benches ran, ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.map(({ section }) => section).join(', ')}`}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
