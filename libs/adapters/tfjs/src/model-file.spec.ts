import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRefusal, Xoshiro128 } from '@godwit/kernel';
import { openBackend } from './backend.js';
import { generateSeries } from './generator.js';
import { loadModel, modelOf, saveModel, setDefaultVersion, SHIPPED_MODELS, type NeuralModel } from './model-file.js';
import { freshWeights } from './network.js';
import { Predictor } from './predictor.js';

const SMALL = { lstmUnits: 4, headUnits: 5 };
let folder: string;
let model: NeuralModel;
let home: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-model-'));
  model = modelOf(SMALL, freshWeights(SMALL, Xoshiro128.seeded(1)), '2026-11-21');
  home = await saveModel(folder, model, { 'card.md': '# card\n' });
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function described(change: (description: Record<string, unknown>) => void): Promise<void> {
  const path = join(home, 'model.json');
  const description = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  change(description);
  await writeFile(path, JSON.stringify(description));
}

it('comes back from disk with predictions that are equal to the last bit', async () => {
  const loaded = await loadModel(folder, model.version) as NeuralModel;
  const backend = await openBackend('wasm');
  const histories = Array.from({ length: 8 }, (_, seed) => generateSeries(Xoshiro128.seeded(seed), 150));
  const [before, after] = [model, loaded].map((one) => new Predictor(backend, one.architecture, one.weights).predict(histories, 70));
  expect(after).toEqual(before);
});

it('is the default only when it was made the default', async () => {
  expect(await loadModel(folder)).toMatchObject({ refused: true, code: 'not-found' });
  await setDefaultVersion(folder, model.version);
  expect(await loadModel(folder)).toMatchObject({ version: model.version });
});

it.each([
  ['format', (d: Record<string, unknown>) => { d['format'] = 99; }],
  ['version', (d: Record<string, unknown>) => { d['version'] = '2020-01-01-00000000'; }],
  ['leads', (d: Record<string, unknown>) => { d['leads'] = [1, 2, 3]; }],
  ['levels', (d: Record<string, unknown>) => { d['levels'] = [0.5]; }],
  ['architecture.lstmUnits', (d: Record<string, unknown>) => { d['architecture'] = { lstmUnits: 1e9, headUnits: 5 }; }],
  ['architecture.headUnits', (d: Record<string, unknown>) => { d['architecture'] = { lstmUnits: 4 }; }],
  ['weights.count', (d: Record<string, unknown>) => { d['architecture'] = { lstmUnits: 5, headUnits: 5 }; }],
  ['weights.count', (d: Record<string, unknown>) => { delete d['weights']; }],
])('refuses a description whose %s is wrong, by that name', async (field, change) => {
  await described(change);
  expect(await loadModel(folder, model.version)).toMatchObject({ refused: true, field });
});

it('refuses weights of which one bit has changed, that are cut, or that are gone', async () => {
  const path = join(home, 'weights.bin');
  const whole = await readFile(path);
  const bent = Uint8Array.from(whole);
  bent[whole.length >> 1]! ^= 1;
  await writeFile(path, bent);
  expect(await loadModel(folder, model.version)).toMatchObject({ code: 'digest-mismatch', field: 'weights.sha256' });
  await writeFile(path, whole.subarray(4));
  expect(await loadModel(folder, model.version)).toMatchObject({ field: 'weights.count' });
  await rm(path);
  expect(await loadModel(folder, model.version)).toMatchObject({ code: 'not-found', field: 'file' });
});

it('refuses a description that is no JSON, and a version that would leave the folder', async () => {
  await writeFile(join(home, 'model.json'), '{');
  expect(await loadModel(folder, model.version)).toMatchObject({ field: 'model.json' });
  expect(await loadModel(folder, '../../etc')).toMatchObject({ field: 'version' });
});

it('the shipped model loads, is small, and its card says that it beats the naive ones', async () => {
  const shipped = await loadModel(SHIPPED_MODELS);
  if (isRefusal(shipped)) throw new Error(shipped.reason);
  expect(shipped.weights.byteLength).toBeLessThan(300_000);
  const card = JSON.parse(await readFile(join(SHIPPED_MODELS, shipped.version, 'card.json'), 'utf8')) as { version: string; overBetterNaive: number; warning: unknown };
  expect(card).toMatchObject({ version: shipped.version, warning: null });
  expect(card.overBetterNaive).toBeLessThan(1);
});
