/** For specs: a runtime on this machine's CRIU with a folder of its own, or the reason why there is none. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from '@jest/globals';
import { isRefusal, type Sha256, type ThreadId } from '@godwit/kernel';
import type { InputRecord, ThreadProgram } from '@godwit/runtime';
import { temporaryFolder, testCriu } from '@godwit/testing';
import { processCapability, ProcessRuntime, type ProcessRuntimeOptions } from './index.js';

const PROGRAMS = fileURLToPath(new URL('../programs/', import.meta.url));
export const MIB = 1024 * 1024;

export interface Rig {
  readonly options: ProcessRuntimeOptions;
  runtime(): ProcessRuntime;
  remove(): Promise<void>;
}

/** @returns the rig, or why process threads cannot run here. */
export async function openRig(): Promise<Rig | { readonly skipped: string }> {
  const found = await testCriu();
  if ('missing' in found) return { skipped: found.missing };
  const folder = await temporaryFolder('process');
  chmodSync(folder.path, 0o711); // the program's own user must be able to reach its file
  const options = { criu: found.criu, root: folder.path };
  const capability = await processCapability(options);
  if (!isRefusal(capability)) return { options, runtime: () => new ProcessRuntime(options), remove: () => folder.remove() };
  await folder.remove();
  return { skipped: capability.reason };
}

/** Runs `specs` with a rig; where there can be none, names the reason in place of them. */
export function describeWithRig(name: string, rig: Rig | { readonly skipped: string }, specs: (rig: Rig) => void): void {
  const isSkipped = 'skipped' in rig;
  if (isSkipped) process.stderr.write(`SKIPPED: ${name}: ${rig.skipped}\n`);
  (isSkipped ? describe.skip : describe)(isSkipped ? `${name} (skipped: ${rig.skipped.split('\n')[0]})` : name, () => {
    if (isSkipped) it('needs CRIU', () => undefined);
    else specs(rig);
  });
}

export function programOf(bytes: Uint8Array | string, more: Partial<ThreadProgram> = {}): ThreadProgram {
  const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
  return {
    thread: 'thread-1' as ThreadId, runtime: 'process', bytes: content, sha256: createHash('sha256').update(content).digest('hex') as Sha256,
    args: [], env: {}, seed: 7, limits: { memoryBytes: 64 * MIB, stackBytes: 0, tableEntries: 0, safepointMs: 1_000 }, ...more,
  };
}

/** A C program of `programs/`; undefined where there is no C compiler. */
export function compiled(name: string, folder: string): Uint8Array | undefined {
  const output = join(folder, name);
  try {
    execFileSync('cc', ['-O2', '-o', output, `${PROGRAMS}${name}.c`], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return new Uint8Array(readFileSync(output));
}

/** Input records with one message for each text; the last one ends the input. */
export const inputs = (...texts: readonly string[]): InputRecord[] => texts.map((text, i) => ({
  seq: 10 + i * 3, atMs: 1_700_000_000_000 + i * 250, from: 'in', originMs: 1_700_000_000_000 + i * 250 - 5,
  messages: [{ kind: '', payload: Buffer.from(text) }], end: i === texts.length - 1,
}));
