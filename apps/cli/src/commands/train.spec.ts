import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRefusal } from '@godwit/kernel';
import { loadModel } from '@godwit/tfjs';
import { Command } from 'commander';
import type { Terminal } from '../cli.js';
import { addTrain } from './train.js';

let folder: string;
let told: { out: string; err: string };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-train-'));
  told = { out: '', err: '' };
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function train(...args: string[]): Promise<void> {
  const never = new AbortController();
  const terminal: Terminal = {
    out: (text) => void (told.out += text), outBytes: () => undefined, err: (text) => void (told.err += text), isTty: false, env: {}, folder,
    nowMs: () => Date.UTC(2026, 10, 21), stdin: async () => new Uint8Array(), interrupted: never.signal, setExitCode: () => undefined,
  };
  const program = new Command('godwit').option('--json').exitOverride().configureOutput({ writeErr: () => undefined });
  addTrain(program, terminal);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  await program.parseAsync(['train', ...args], { from: 'user' });
}

async function recording(entities: number): Promise<string> {
  const rows = ['entity,t,cpu'];
  for (let entity = 0; entity < entities; entity++) for (let t = 0; t < 200; t++) rows.push(`m${entity},${t},${(2 + Math.sin((2 * Math.PI * t) / (9 + entity))).toFixed(3)}`);
  const path = join(folder, 'trace.csv');
  await writeFile(path, `${rows.join('\n')}\n`);
  return path;
}

it('trains on recordings, shows progress, and writes a model with a card that names its data', async () => {
  await train(await recording(4), '--fresh', '--epochs', '2', '--windows', '256', '--hold-out', '0.25', '--seed', '5');
  expect(told.err).toMatch(/epoch 1\/2 {2}loss \d\.\d+ .*left\nepoch 2\/2/);
  const [version] = (await readdir(join(folder, 'models'))).filter((name) => name !== 'default.json');
  const model = await loadModel(join(folder, 'models'), version);
  if (isRefusal(model)) throw new Error(model.reason);
  const card = JSON.parse(await readFile(join(folder, 'models', version!, 'card.json'), 'utf8')) as { overBetterNaive: number; warning: string | null };
  expect(card).toMatchObject({
    version, trainedOn: '2026-11-21', seed: 5, epochs: 2, windows: 512, begunWith: null,
    data: [{ name: 'trace.csv', series: 4, samples: 800, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }], heldOut: { series: 1, what: '1 entities that were held out' },
  });
  // Two steps are no training: whichever it is, the card, the default and what was told agree.
  const beats = card.overBetterNaive < 1;
  expect(card.warning === null).toBe(beats);
  expect(isRefusal(await loadModel(join(folder, 'models')))).toBe(!beats);
  expect(await readFile(join(folder, 'models', version!, 'card.md'), 'utf8')).toContain(beats ? 'rolling median' : '**Warning.**');
  expect(told.out).toContain(beats ? 'now the default' : 'warning');
}, 120_000);

it('refuses what it cannot train on, with the reason', async () => {
  await expect(train()).rejects.toThrow('no traces were given');
  await expect(train('x.csv', '--generated')).rejects.toThrow('exclude each other');
  await expect(train(join(folder, 'none.csv'))).rejects.toThrow('no such file');
  await expect(train(await recording(1))).rejects.toThrow('one entity');
  await expect(train(await recording(2), '--hold-out', '1')).rejects.toThrow('between 0 and 1');
});
