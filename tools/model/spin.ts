/** Runs spin on one build of the project's model, and reads what it found. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Build } from './variants.ts';

export const MODEL = fileURLToPath(new URL('../../models/handover.pml', import.meta.url));
/** Above this the search gives up, MB: so that it does not take the machine with it. */
const MEMORY_MB = 6_000;
const MOST_STEPS = 1_000_000;

export interface Tools {
  readonly spin: string;
  readonly compiler: string;
}
export interface Searched {
  readonly states: number;
  readonly transitions: number;
  readonly memoryMb: number;
  /** Of the search alone. */
  readonly seconds: number;
  /** The assertion that was broken. */
  readonly broken?: string;
  /** Why the search did not see every state. */
  readonly cutShort?: string;
}

const answers = (program: string, flag: string): boolean => spawnSync(program, [flag], { stdio: 'ignore' }).status === 0;

/** Both programs, or which are missing and how to get them. */
export function findTools(): Tools | string {
  const compiler = ['cc', 'gcc', 'clang'].find((program) => answers(program, '--version'));
  const spin = answers('spin', '-V') ? 'spin' : undefined;
  if (spin && compiler) return { spin, compiler };
  const missing = [spin ? '' : 'spin', compiler ? '' : 'a C compiler'].filter((name) => name !== '');
  return `${missing.join(' and ')} not found; on Debian: apt-get install spin gcc; elsewhere: https://spinroot.com`;
}

/** The program's output; rejects when it cannot be started or ends with another status than 0. */
function ran(program: string, args: readonly string[], folder: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => { output += bytes.toString(); });
    child.on('error', reject);
    child.on('close', (status) => (status === 0 ? resolve(output) : reject(new Error(`${program} ${args.join(' ')} ended with ${status}: ${output.slice(-500)}`))));
  });
}

const defines = ({ defines: names, size: { inputs, epochs, losses, crashes } }: Build): string[] =>
  [...names, `N=${inputs}`, `MAXE=${epochs}`, `NL=${losses}`, `NC=${crashes}`].map((define) => `-D${define}`);

export const commandOf = (build: Build): string => `spin ${defines(build).join(' ')} -a models/handover.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m${MOST_STEPS}`;

/** Every state that the build can reach, until one breaks an assertion. */
export async function search({ spin, compiler }: Tools, build: Build, quickBuild: boolean): Promise<Searched> {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-model-'));
  try {
    await ran(spin, [...defines(build), '-a', MODEL], folder);
    await ran(compiler, [quickBuild ? '-O0' : '-O2', '-w', '-DSAFETY', `-DMEMLIM=${MEMORY_MB}`, '-o', 'pan', 'pan.c'], folder);
    const startedMs = performance.now();
    const output = await ran(join(folder, 'pan'), [`-m${MOST_STEPS}`, quickBuild ? '-w20' : '-w25'], folder);
    return { ...readReport(output), seconds: (performance.now() - startedMs) / 1_000 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the verifier prints at its end. @throws Error when that is no report of a search. */
export function readReport(output: string): Omit<Searched, 'seconds'> {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`no report of a search: ${output.slice(-500)}`);
    return Number(found);
  };
  const errors = number(/errors: (\d+)/);
  const broken = /assertion violated (.+) \(at depth \d+\)/.exec(output)?.[1];
  if (errors > 0 && broken === undefined) throw new Error(`an error that is no assertion: ${output.slice(0, 500)}`);
  const cutShort = /max search depth too small|reached -DMEMLIM bound|out of memory/.exec(output)?.[0];
  return {
    states: number(/([\d.e+]+) states, stored/), transitions: number(/([\d.e+]+) transitions/), memoryMb: number(/([\d.]+)\s+total actual memory usage/),
    ...(broken === undefined ? {} : { broken }), ...(cutShort === undefined ? {} : { cutShort }),
  };
}
