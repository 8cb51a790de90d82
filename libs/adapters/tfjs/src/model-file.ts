/**
 * Models on disk. A folder holds versions, `<folder>/<version>/{model.json, weights.bin}` with the model card beside them, and
 * `<folder>/default.json` says which one is used when nobody names one.
 *
 * 1. A version is its day and the first digits of its weights' digest: two models never share one, and a renamed file shows.
 * 2. What is read is checked before it is used: format, shape, length, digest, and that every weight is a finite number.
 */
import { isRefusal, OperationError, refuse, type Refusal, type Sha256 } from '@godwit/kernel';
import { LEVELS } from '@godwit/forecasting';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { weightCount, type Architecture } from './network.js';
import { LEADS, WINDOW_STEPS } from './shape.js';

export interface NeuralModel {
  /** `<yyyy-mm-dd>-<8 digits>`. */
  readonly version: string;
  readonly architecture: Architecture;
  readonly weights: Float32Array;
}

/** Meaning of the inputs and of the weights' order; a change of the encoding or of the network is a new one. */
const FORMAT = 1;
const MOST_UNITS = 512;
const VERSION = /^\d{4}-\d{2}-\d{2}-[0-9a-f]{8}$/;

/** The models that ship with Godwit. */
export const SHIPPED_MODELS = fileURLToPath(new URL('../models', import.meta.url));

/** @param day `yyyy-mm-dd`. */
export const modelOf = (architecture: Architecture, weights: Float32Array, day: string): NeuralModel => ({ version: `${day}-${digestOf(bytesOf(weights)).slice(0, 8)}`, architecture, weights });

/**
 * Writes the model, and `extra` files (the card) beside it. @returns the folder of the version.
 * @throws OperationError when the disk refuses.
 */
export async function saveModel(folder: string, { version, architecture, weights }: NeuralModel, extra: Readonly<Record<string, string>> = {}): Promise<string> {
  const home = join(folder, version);
  const bytes = bytesOf(weights);
  const description = { format: FORMAT, version, architecture, windowSteps: WINDOW_STEPS, leads: LEADS, levels: LEVELS, weights: { count: weights.length, sha256: digestOf(bytes) } };
  try {
    await mkdir(home, { recursive: true });
    await writeWhole(join(home, 'weights.bin'), bytes);
    for (const [name, text] of Object.entries(extra)) await writeWhole(join(home, name), text);
    await writeWhole(join(home, 'model.json'), `${JSON.stringify(description, null, 2)}\n`);
  } catch (cause) {
    throw new OperationError('internal', `the model cannot be written to ${home}: ${(cause as Error).message}`, { effect: 'unknown', cause });
  }
  return home;
}

/** Makes `version` what `loadModel` takes when none is named. @throws OperationError when the disk refuses. */
export async function setDefaultVersion(folder: string, version: string): Promise<void> {
  try {
    await writeWhole(join(folder, 'default.json'), `${JSON.stringify({ version })}\n`);
  } catch (cause) {
    throw new OperationError('internal', `the default cannot be written to ${folder}: ${(cause as Error).message}`, { effect: 'unknown', cause });
  }
}

/** @param version the folder's default when left out. @returns a refusal that names the field which is wrong. */
export async function loadModel(folder: string, version?: string): Promise<NeuralModel | Refusal> {
  const chosen = version ?? (await defaultVersion(folder));
  if (isRefusal(chosen)) return chosen;
  if (!VERSION.test(chosen)) return refuse('invalid-field', `${chosen} is no version of a model`, 'version');
  const home = join(folder, chosen);
  const description = await readJson(join(home, 'model.json'));
  if (isRefusal(description)) return description;
  const architecture = architectureOf(description, chosen);
  if (isRefusal(architecture)) return architecture;
  const weights = await readWeights(join(home, 'weights.bin'), architecture, description['weights'], chosen);
  return isRefusal(weights) ? weights : { version: chosen, architecture, weights };
}

async function defaultVersion(folder: string): Promise<string | Refusal> {
  const named = await readJson(join(folder, 'default.json'));
  if (isRefusal(named)) return named;
  return typeof named['version'] === 'string' ? named['version'] : refuse('invalid-field', `${folder}/default.json names no version`, 'version');
}

function architectureOf(description: Readonly<Record<string, unknown>>, version: string): Architecture | Refusal {
  const expected: readonly (readonly [string, unknown])[] = [['format', FORMAT], ['version', version], ['windowSteps', WINDOW_STEPS], ['leads', LEADS], ['levels', LEVELS]];
  for (const [field, value] of expected) {
    if (JSON.stringify(description[field]) !== JSON.stringify(value)) return refuse('invalid-field', `the model has ${field} ${JSON.stringify(description[field])}, this program reads ${JSON.stringify(value)}`, field);
  }
  const { lstmUnits, headUnits } = (description['architecture'] ?? {}) as Partial<Record<keyof Architecture, unknown>>;
  if (!isUnits(lstmUnits)) return refuse('invalid-field', `1 to ${MOST_UNITS} units expected`, 'architecture.lstmUnits');
  if (!isUnits(headUnits)) return refuse('invalid-field', `1 to ${MOST_UNITS} units expected`, 'architecture.headUnits');
  return { lstmUnits, headUnits };
}

const isUnits = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_UNITS;

async function readWeights(path: string, architecture: Architecture, stated: unknown, version: string): Promise<Float32Array | Refusal> {
  const { count, sha256 } = (stated ?? {}) as { count?: unknown; sha256?: unknown };
  const expected = weightCount(architecture);
  if (count !== expected) return refuse('invalid-field', `the architecture has ${expected} weights, the model says ${JSON.stringify(count)}`, 'weights.count');
  const bytes = await readBytes(path);
  if (isRefusal(bytes)) return bytes;
  if (bytes.length !== expected * 4) return refuse('invalid-field', `${bytes.length} bytes of weights, ${expected * 4} expected`, 'weights.count');
  const digest = digestOf(bytes);
  if (digest !== sha256) return refuse('digest-mismatch', `the weights' digest is ${digest}, the model says ${JSON.stringify(sha256)}`, 'weights.sha256');
  if (!version.endsWith(digest.slice(0, 8))) return refuse('digest-mismatch', `version ${version} is not that of weights ${digest.slice(0, 8)}`, 'version');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const weights = Float32Array.from({ length: expected }, (_, i) => view.getFloat32(4 * i, true));
  return weights.every(Number.isFinite) ? weights : refuse('invalid-field', 'a weight is no finite number', 'weights');
}

/** Little-endian, on every machine. */
function bytesOf(weights: Float32Array): Uint8Array {
  const bytes = new Uint8Array(weights.length * 4);
  const view = new DataView(bytes.buffer);
  weights.forEach((weight, i) => view.setFloat32(4 * i, weight, true));
  return bytes;
}

export const digestOf = (bytes: Uint8Array): Sha256 => createHash('sha256').update(bytes).digest('hex') as Sha256;

async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | Refusal> {
  const bytes = await readBytes(path);
  if (isRefusal(bytes)) return bytes;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
    return refuse('invalid-field', `${path} is no JSON object`, 'model.json');
  } catch (error) {
    return refuse('invalid-field', `${path} is no JSON: ${(error as Error).message}`, 'model.json');
  }
}

async function readBytes(path: string): Promise<Uint8Array | Refusal> {
  try {
    return await readFile(path);
  } catch (error) {
    return refuse('not-found', `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`, 'file');
  }
}

/** A reader sees the old file or the new one, never half of it. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}
