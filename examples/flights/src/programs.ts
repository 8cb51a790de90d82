/** From the sources in `threads/` to programs: three TypeScript tasks, and C compiled to plain WASI. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationError } from '@godwit/kernel';
import { bundleThread } from '@godwit/sdk/bundle';
import type { FlightRow } from './day.js';

/** Producers before consumers; `delays` before `network`, which may not be placed where `delays` is. */
export const THREADS = ['intake', 'delays', 'network', 'board'] as const;
export type ThreadName = (typeof THREADS)[number];
export type Programs = Readonly<Record<ThreadName, Uint8Array>>;

/** In the sources and in the build one level up. */
const source = (file: string): string => fileURLToPath(new URL(`../threads/${file}`, import.meta.url));
const COMPILER = new URL('../../../libs/adapters/wasm/scripts/compile-c.mjs', import.meta.url);

interface Compiler {
  compileC(sources: readonly string[], flags?: readonly string[]): Promise<Uint8Array>;
}

/** @throws Error with the compiler's words; OperationError `invalid-program`. */
export async function buildPrograms(): Promise<Programs> {
  const { compileC } = (await import(COMPILER.href)) as Compiler;
  const [network, intake, board, delays] = await Promise.all([compileC([source('network.c')]), bundleThread(source('intake.ts')), bundleThread(source('board.ts')), bundleThread(source('delays.ts'))]);
  return { intake, network, board, delays };
}

/** The flight records that come with the npm package `vega-datasets`, which exports its code but not its files by name. */
export async function readFlights(): Promise<FlightRow[]> {
  const folders = createRequire(import.meta.url).resolve.paths('vega-datasets') ?? [];
  const path = folders.map((folder) => join(folder, 'vega-datasets', 'data', 'flights-20k.json')).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new OperationError('not-found', 'the npm package vega-datasets is not installed: npm ci', { effect: 'none' });
  return JSON.parse(await readFile(path, 'utf8')) as FlightRow[];
}
