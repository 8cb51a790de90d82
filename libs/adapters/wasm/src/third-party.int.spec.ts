/**
 * A program that others have written and nobody here has changed: the LZ4 library is stopped again and again while it
 * compresses, moved, and gives the same bytes as one that was left alone. Its sources come from the package `lz4`, which is
 * fetched once and not installed, since its install script would compile a native add-on that nobody needs.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from '@jest/globals';
import { ContractRun } from '@godwit/testing';
import { compileC } from '../scripts/compile-c.mjs';
import { inputs, programOf } from './wasm-rig.js';
import { wasmRuntime } from './wasm-runtime.js';

const TIMEOUT_MS = 600_000;
const MOST_MOVES = 12;
const SHARE = 0.2;

const PACKAGE = 'lz4@0.6.5';
const PACKAGE_SHA512 = 'KSZcJU49QZOlJSItaeIU3p8WoAvkTmD9fJqeahQXNu1iQ/kR0/mQLdbrK8JY9MY8f6AhJoMrihp1nu1xDbscSQ==';
const CACHE = resolve(import.meta.dirname, '../../../../.godwit/cache/lz4-0.6.5');
const run = promisify(execFile);

/** @returns the folder of the library's C files. @throws Error when no package registry can be reached. */
async function sources(): Promise<string> {
  const library = join(CACHE, 'package/deps/lz4/lib');
  if (await access(library).then(() => true, () => false)) return library;
  await mkdir(resolve(CACHE, '..'), { recursive: true });
  const folder = await mkdtemp(`${CACHE}-`);
  try {
    const { stdout } = await run('npm', ['pack', PACKAGE, '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: folder, timeout: 60_000 });
    const archive = join(folder, stdout.trim().split('\n').pop()!);
    const found = createHash('sha512').update(await readFile(archive)).digest('base64');
    if (found !== PACKAGE_SHA512) throw new Error(`${PACKAGE} has the digest ${found}`);
    await run('tar', ['-xzf', archive, '-C', folder]);
    await rename(folder, CACHE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return library;
}

async function compressor(library: string): Promise<Uint8Array> {
  const driver = new URL('../programs/compress.c', import.meta.url).pathname;
  return compileC([driver, ...['lz4.c', 'lz4hc.c', 'xxhash.c', 'lz4.h', 'lz4hc.h', 'xxhash.h'].map((file) => join(library, file))], ['-Wl,-z,stack-size=1048576']);
}

const runs: ContractRun[] = [];
afterEach(async () => { for (const run of runs.splice(0)) await run.stop(); });

const library = await sources().catch((error: Error) => {
  process.stderr.write(`skipped: the sources of ${PACKAGE} cannot be had: ${error.message.split('\n')[0]}\n`);
  return undefined;
});
(library === undefined ? it.skip : it)('a compressor by others is moved while it compresses, and makes the same bytes', async () => {
  const records = inputs('700\n', '2000\n');
  const program = await programOf(await compressor(library!));
  const started = async (): Promise<ContractRun> => {
    const run = new ContractRun(wasmRuntime(), program, records);
    runs.push(run);
    await run.start();
    run.feed();
    return run;
  };
  const said = ({ outputs }: ContractRun): unknown => outputs.map((o) => [o.causedBySeq, o.hash, o.messages.map((m) => Buffer.from(m.payload).toString())]);

  const left = await started();
  await left.untilEnd();
  expect(left.faults).toEqual([]);
  expect(left.exitCode).toBe(0);

  const moved = await started();
  let inside = 0;
  while (moved.moves < MOST_MOVES && !moved.ended) {
    moved.thread.setDuty(SHARE);
    await moved.progress();
    if (moved.ended) break;
    const [consumed, outputs] = [moved.consumed.length, moved.outputs.length];
    await moved.move();
    // It has read more than it has answered: it was stopped at work.
    if (consumed > outputs) inside++;
    moved.thread.resume();
    moved.feed();
  }
  await moved.untilEnd();
  expect(moved.faults).toEqual([]);
  expect(said(moved)).toEqual(said(left));
  expect(inside).toBeGreaterThanOrEqual(3);
}, TIMEOUT_MS);
