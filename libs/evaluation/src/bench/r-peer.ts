/**
 * R's forecast package as a peer: finds it, or installs it from Debian where that is allowed, and asks it for quantiles in
 * batches, one process for each.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface RWindow {
  readonly history: Float64Array;
  readonly horizonSteps: number;
}

export interface RForecast {
  /** horizon × 9 quantiles; undefined where the model failed or took too long. */
  readonly path: Float64Array | undefined;
  readonly cpuMs: number;
  readonly outcome: string;
}

/** By model; undefined for a window that the budget left out. */
export type RAnswer = ReadonlyMap<string, RForecast> | undefined;

const PACKAGES = 'r-base-core r-cran-forecast';
const SCRIPT = join(import.meta.dirname, '..', 'forecasting-r.R');

/** The version of R's forecast, installed first where it is missing and may be; or in one line what to type. */
export function prepareR(print: (line: string) => void): { readonly version: string } | { readonly missing: string } {
  const found = askVersion();
  if (found !== undefined) return { version: found };
  const remedy = `R's forecast is missing: type apt-get install --no-install-recommends ${PACKAGES}`;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return { missing: remedy };
  print(`installing ${PACKAGES} …`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', ...PACKAGES.split(' ')]]) spawnSync('apt-get', args, { env: environment, stdio: 'ignore' });
  const installed = askVersion();
  return installed === undefined ? { missing: remedy } : { version: installed };
}

function askVersion(): string | undefined {
  const { status, stdout } = spawnSync('Rscript', ['-e', 'cat(as.character(packageVersion("forecast")))'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

export interface ROptions {
  readonly processes: number;
  /** No window is begun after it. */
  readonly budgetSeconds: number;
  readonly fitSeconds: number;
  readonly seed: number;
  /** A file that keeps answers for later runs; none by default. */
  readonly keepIn?: string;
}

/** Asks every R model for every window, in their order as far as the budget goes. */
export async function askR(windows: readonly RWindow[], options: ROptions): Promise<readonly RAnswer[]> {
  const keys = windows.map(({ history, horizonSteps }) => keyOf(history, horizonSteps, options.seed));
  const known = options.keepIn === undefined ? new Map<string, Map<string, RForecast>>() : readAnswers(options.keepIn);
  const open = windows.map((window, i) => ({ window, key: keys[i]! })).filter(({ key }) => !known.has(key));
  const folder = mkdtempSync(join(tmpdir(), 'godwit-bench-r-'));
  try {
    await Promise.all(Array.from({ length: options.processes }, async (_, process) => {
      const mine = open.filter((_one, i) => i % options.processes === process);
      if (mine.length === 0) return;
      const [input, output] = [join(folder, `histories-${process}.csv`), join(folder, `quantiles-${process}.csv`)];
      writeFileSync(input, mine.map(({ window, key }) => `${[key, window.horizonSteps, ...Array.from(window.history, (value) => (Number.isNaN(value) ? 'NA' : value))].join(',')}\n`).join(''));
      await runScript([input, output, String(options.budgetSeconds), String(options.fitSeconds), String(options.seed)]);
      for (const [key, answer] of readAnswers(output)) known.set(key, answer);
      if (options.keepIn !== undefined) {
        mkdirSync(dirname(options.keepIn), { recursive: true });
        appendFileSync(options.keepIn, readFileSync(output));
      }
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
  return keys.map((key) => known.get(key));
}

/** @throws Error with R's own words. */
function runScript(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // One thread: R's linear algebra would take the cores from the other process, and its CPU time would count twice.
    const child = spawn('Rscript', [SCRIPT, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' } });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-2_000); });
    child.once('error', reject).once('close', (code) => (code === 0 ? resolve() : reject(new Error(`Rscript ended with ${code}: ${said}`))));
  });
}

function readAnswers(path: string): Map<string, Map<string, RForecast>> {
  const answers = new Map<string, Map<string, RForecast>>();
  if (!existsSync(path)) return answers;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [key, model, cpuMs, outcome, ...quantiles] = line.replace(/,$/, '').split(',');
    if (key === undefined || model === undefined) continue;
    const answer = answers.get(key) ?? new Map<string, RForecast>();
    answers.set(key, answer.set(model, { path: quantiles.length === 0 ? undefined : Float64Array.from(quantiles, Number), cpuMs: Number(cpuMs), outcome: outcome ?? '' }));
  }
  return answers;
}

function keyOf(history: Float64Array, horizonSteps: number, seed: number): string {
  const hash = createHash('sha256').update(readFileSync(SCRIPT)).update(`${seed} ${horizonSteps}`).update(new Uint8Array(history.buffer, history.byteOffset, history.byteLength));
  return hash.digest('hex').slice(0, 24);
}
