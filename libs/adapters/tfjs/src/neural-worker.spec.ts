import { jest } from '@jest/globals';
import type { Worker } from 'node:worker_threads';
import { OperationError, Xoshiro128 } from '@godwit/kernel';
import { LEVELS } from '@godwit/forecasting';
import { openBackend } from './backend.js';
import { generateSeries } from './generator.js';
import { modelOf } from './model-file.js';
import { freshWeights } from './network.js';
import { newWorker, NeuralWorker, openNeuralForecaster, trainInWorker, type WorkerEvent } from './neural-worker.js';
import { Predictor } from './predictor.js';

const SMALL = { lstmUnits: 5, headUnits: 6 };
const model = modelOf(SMALL, freshWeights(SMALL, Xoshiro128.seeded(2)), '2026-11-21');
const histories = Array.from({ length: 30 }, (_, seed) => generateSeries(Xoshiro128.seeded(seed), 12 + 8 * seed));

// Each test starts workers, which takes seconds on a loaded machine.
jest.setTimeout(120_000);

let open: NeuralWorker[] = [];
afterEach(async () => {
  await Promise.all(open.map((worker) => worker.close()));
  open = [];
});
function started(onWorker?: (event: WorkerEvent) => void, spawn?: (start: Parameters<typeof newWorker>[0]) => Worker): NeuralWorker {
  const worker = new NeuralWorker({ model, backend: 'wasm', seed: 1 }, onWorker, spawn);
  open.push(worker);
  return worker;
}

it('answers as the model does in this thread, while this thread goes on', async () => {
  const worker = started();
  let turns = 0;
  let waiting = true;
  const turn = (): void => {
    turns++;
    if (waiting) setImmediate(turn);
  };
  turn();
  const { paths, busyMs } = await worker.predict(histories, 40);
  waiting = false;
  expect(turns).toBeGreaterThan(3);
  expect(busyMs).toBeGreaterThan(0);
  expect(worker.backend).toBe('wasm');
  const own = new Predictor(await openBackend('wasm'), SMALL, model.weights).predict(histories, 40);
  expect(paths.map((path) => path && [...path])).toEqual(own.map((path) => path && [...path]));
  expect(paths[0]).toBeUndefined();
  expect(paths[29]).toHaveLength(40 * LEVELS.length);
});

it('fails what waits when its worker dies, says so once, and serves again from a new one', async () => {
  const workers: Worker[] = [];
  const events: WorkerEvent[] = [];
  let again: () => void = () => undefined;
  const isBack = new Promise<void>((resolve) => { again = resolve; });
  const worker = started((event) => {
    events.push(event);
    if (event.type === 'started') again();
  }, (start) => {
    const made = newWorker(start);
    workers.push(made);
    return made;
  });
  await worker.predict(histories, 5);
  const lost = worker.predict(histories, 5);
  await workers[0]!.terminate();
  await expect(lost).rejects.toMatchObject({ code: 'unsupported', effect: 'none' });
  // Until the next worker is there, the answer comes at once.
  await expect(worker.predict(histories, 5)).rejects.toThrow(OperationError);
  await isBack;
  expect((await worker.predict(histories, 5)).paths[20]).toHaveLength(5 * LEVELS.length);
  expect(workers).toHaveLength(2);
  expect(events.map(({ type }) => type)).toEqual(['died', 'started']);
});

it('learns on from what it was given, and tells', async () => {
  const worker = started();
  expect(await worker.refine()).toMatchObject({ kept: 0, shippedLoss: null, refinedInUse: false });
  const long = Array.from({ length: 12 }, (_, seed) => generateSeries(Xoshiro128.seeded(1_000 + seed), 192));
  // A few histories of each call are kept, those of every fourth key to check on.
  for (let call = 0; call < 24; call++) await worker.predict(long, 5, long.map((_, k) => k));
  const outcome = await worker.refine();
  expect(outcome.kept).toBe(96);
  expect(outcome.refinedInUse).toBe(outcome.refinedLoss! <= outcome.shippedLoss!);
});

it('trains in a worker, the same with the same seed, and can be stopped', async () => {
  const plan = { seed: 4, epochs: 2, stepsPerEpoch: 1, architecture: SMALL, rate: 0.01, generatedRatio: 0 };
  const recordings = histories.slice(20);
  const seen: number[] = [];
  const request = { recordings, heldOut: histories.slice(15, 20), plan, backend: 'wasm' as const, onProgress: ({ epoch }: { epoch: number }) => void seen.push(epoch) };
  const [one, other] = [await trainInWorker(request), await trainInWorker(request)];
  expect(seen).toEqual([1, 2, 1, 2]);
  expect(other.weights).toEqual(one.weights);
  expect(one.score.windows).toBeGreaterThan(0);
  await expect(trainInWorker({ ...request, signal: AbortSignal.abort() })).rejects.toThrow('stopped');
});

it('refuses a folder without a model', async () => {
  expect(await openNeuralForecaster({ folder: 'no-such-folder' })).toMatchObject({ refused: true, code: 'not-found' });
});
