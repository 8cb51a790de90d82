/** The worker: one task at a time, in the order in which they come. */
import { Xoshiro128 } from '@godwit/kernel';
import { LEVELS } from '@godwit/forecasting';
import { parentPort, workerData } from 'node:worker_threads';
import { openBackend, type Backend } from '../backend.js';
import { Predictor } from '../predictor.js';
import { unpack, type Outcomes, type Report, type Request, type Task, type WorkerStart } from '../protocol.js';
import { Refiner } from '../refinement.js';
import { scoreHeldOut, trainModel } from '../train-model.js';

const start = workerData as WorkerStart;
const port = parentPort!;
const say = (report: Report, moved: ArrayBuffer[] = []): void => port.postMessage(report, moved);

/** CPU time of this thread: on a loaded machine the clock on the wall would count what others take. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

const backend: Backend = await openBackend(start.backend);
const served = start.model && {
  predictor: new Predictor(backend, start.model.architecture, start.model.weights),
  refiner: new Refiner(backend, start.model, Xoshiro128.seeded(start.seed)),
};

/** Histories that are kept of one call: neighbouring calls bring nearly the same ones. */
const KEPT_OF_CALL = 4;
let calls = 0;

function predict({ histories, keys, steps }: Extract<Task, { kind: 'predict' }>): Outcomes['predict'] {
  if (!served) throw new Error('the worker has no model');
  const beganMs = cpuMs();
  const series = unpack(histories);
  const width = steps * LEVELS.length;
  const values = new Float64Array(series.length * width).fill(NaN);
  for (const [k, path] of served.predictor.predict(series, steps).entries()) if (path) values.set(path, k * width);
  const stride = Math.max(1, Math.ceil(series.length / KEPT_OF_CALL));
  for (let k = calls++ % stride; k < series.length; k += stride) served.refiner.keep(series[k]!, keys[k]!);
  return { values, busyMs: cpuMs() - beganMs };
}

function refine(): Outcomes['refine'] {
  if (!served) throw new Error('the worker has no model');
  const beganMs = cpuMs();
  const outcome = served.refiner.refine();
  served.predictor.setWeights(served.refiner.weights());
  return { ...outcome, busyMs: cpuMs() - beganMs };
}

async function perform(id: number, task: Task): Promise<Outcomes[Task['kind']]> {
  switch (task.kind) {
    case 'predict': return predict(task);
    case 'refine': return refine();
    case 'train': return trainModel(backend, unpack(task.recordings), task.plan, (progress) => say({ type: 'progress', id, progress }));
    case 'score': return scoreHeldOut(backend, task.architecture, task.weights, unpack(task.recordings));
  }
}

let before: Promise<void> = Promise.resolve();
port.on('message', ({ id, task }: Request) => {
  before = before.then(async () => {
    try {
      const outcome = await perform(id, task);
      say({ type: 'done', id, outcome }, task.kind === 'predict' ? [(outcome as Outcomes['predict']).values.buffer as ArrayBuffer] : []);
    } catch (error) {
      say({ type: 'failed', id, message: (error as Error).message });
    }
  });
});
say({ type: 'ready', backend: backend.name });
