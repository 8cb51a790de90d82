/**
 * The model behind a worker thread: nothing that it does blocks the caller's loop.
 *
 * 1. A worker that dies fails what waits for it and is started again, with a pause that grows while it keeps dying; the caller
 *    is told once that it is gone and once that it is back.
 * 2. While there is none, calls fail at once with `unsupported`, effect none: the caller goes on without.
 */
import { isRefusal, OperationError, type Refusal } from '@godwit/kernel';
import { LEVELS } from '@godwit/forecasting';
import { Worker } from 'node:worker_threads';
import type { BackendName } from './backend.js';
import { loadModel, SHIPPED_MODELS, type NeuralModel } from './model-file.js';
import { pack, type Outcomes, type Report, type Request, type Task, type WorkerStart } from './protocol.js';
import type { Refinement } from './refinement.js';
import type { HeldOutScore, TrainingPlan, TrainingProgress } from './train-model.js';

/** Paths of a batch of series. */
export interface Predictions {
  /** Per history, rows × LEVELS quantiles, row k for k + 1 steps after its newest value; undefined for a history that is too short. */
  readonly paths: readonly (Float64Array | undefined)[];
  /** CPU time that it took the worker, ms. */
  readonly busyMs: number;
}

/** A neural model that all series share. */
export interface NeuralForecaster {
  readonly version: string;
  /** Undefined until a worker is ready. */
  readonly backend: BackendName | undefined;
  /**
   * @param histories on a regular grid, oldest first, NaN where a sample is missing.
   * @param keys a whole number for each series, the same each time: what is learnt from is told by it from what is only checked on.
   * @throws OperationError when the worker is not there or dies.
   */
  predict(histories: readonly ArrayLike<number>[], steps: number, keys?: readonly number[]): Promise<Predictions>;
  /** Learns on from the histories that it was given; see `refinement.ts`. @throws as `predict`. */
  refine(): Promise<Refinement>;
  close(): Promise<void>;
}

export interface NeuralOptions {
  /** The models that ship with Godwit by default. */
  readonly folder?: string;
  readonly version?: string;
  readonly backend?: BackendName;
  readonly seed?: number;
  /** Told of each death, and of each start after one. */
  readonly onWorker?: (event: WorkerEvent) => void;
}
export interface WorkerEvent { readonly type: 'died' | 'started'; readonly reason: string }

/** Under jest this file is a source, and the worker starts from sources too; else both are `tsc`'s output. */
const FROM_SOURCE = import.meta.url.endsWith('.ts');
const ENTRY = new URL(FROM_SOURCE ? './worker/source-worker.mjs' : './worker/worker.js', import.meta.url);
const NODE_FLAGS = ['--no-warnings', ...(FROM_SOURCE ? ['--conditions=@godwit/source'] : [])];
const RESTART = { firstMs: 500, mostMs: 60_000 } as const;

/** @returns a refusal when the model cannot be used. */
export async function openNeuralForecaster(options: NeuralOptions = {}): Promise<NeuralForecaster | Refusal> {
  const model = await loadModel(options.folder ?? SHIPPED_MODELS, options.version);
  return isRefusal(model) ? model : new NeuralWorker({ model, ...(options.backend ? { backend: options.backend } : {}), seed: options.seed ?? 1 }, options.onWorker);
}

export interface TrainRequest {
  readonly recordings: readonly Float64Array[];
  readonly heldOut: readonly Float64Array[];
  readonly plan: TrainingPlan;
  readonly backend?: BackendName;
  readonly onProgress: (progress: TrainingProgress) => void;
  /** Aborting ends the worker, and the training with an OperationError. */
  readonly signal?: AbortSignal;
}
export interface Trained { readonly weights: Float32Array; readonly score: HeldOutScore; readonly backend: BackendName }

/** Trains in a worker, then scores on what was held out. @throws OperationError when the worker dies or is aborted. */
export async function trainInWorker({ recordings, heldOut, plan, backend, onProgress, signal }: TrainRequest): Promise<Trained> {
  const worker = new NeuralWorker({ seed: plan.seed, ...(backend ? { backend } : {}) });
  const abort = (): void => void worker.close();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) throw ended('the training was stopped');
    const weights = await worker.ask({ kind: 'train', recordings: pack(recordings), plan }, onProgress);
    const score = await worker.ask({ kind: 'score', recordings: pack(heldOut), architecture: plan.architecture, weights });
    return { weights, score, backend: worker.backend! };
  } finally {
    signal?.removeEventListener('abort', abort);
    await worker.close();
  }
}

interface Waiting {
  readonly resolve: (outcome: Outcomes[Task['kind']]) => void;
  readonly reject: (error: OperationError) => void;
  readonly onProgress: ((progress: TrainingProgress) => void) | undefined;
}

export const newWorker = (start: WorkerStart): Worker => new Worker(ENTRY, { workerData: start, execArgv: NODE_FLAGS, argv: [], name: 'neural' });

const ended = (reason: string, cause?: unknown): OperationError => new OperationError('unsupported', `the neural worker is not there: ${reason}`, { effect: 'none', cause });

export class NeuralWorker implements NeuralForecaster {
  backend: BackendName | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | undefined;
  private requests = 0;
  private deaths = 0;
  private toldGone = false;
  private restart: NodeJS.Timeout | undefined;
  private closed = false;
  private lastReason = 'it has not started';

  /** @param spawnWorker specs keep what it makes, to end it. */
  constructor(
    private readonly start: WorkerStart & { readonly model?: NeuralModel }, private readonly onWorker: (event: WorkerEvent) => void = () => undefined,
    private readonly spawnWorker: (start: WorkerStart) => Worker = newWorker,
  ) {
    this.spawn();
  }

  get version(): string {
    return this.start.model?.version ?? '';
  }

  async predict(histories: readonly ArrayLike<number>[], steps: number, keys: readonly number[] = [...histories.keys()]): Promise<Predictions> {
    const { values, busyMs } = await this.ask({ kind: 'predict', histories: pack(histories), keys: Int32Array.from(keys), steps });
    const width = steps * LEVELS.length;
    return { paths: histories.map((_, k) => (Number.isNaN(values[k * width]!) ? undefined : values.subarray(k * width, (k + 1) * width))), busyMs };
  }

  refine(): Promise<Refinement> {
    return this.ask({ kind: 'refine' });
  }

  async ask<Kind extends Task['kind']>(task: Extract<Task, { kind: Kind }>, onProgress?: (progress: TrainingProgress) => void): Promise<Outcomes[Kind]> {
    const { worker } = this;
    if (!worker) throw ended(this.lastReason);
    const id = ++this.requests;
    const moved = 'histories' in task ? [task.histories.values.buffer as ArrayBuffer] : [];
    const outcome = new Promise<Outcomes[Task['kind']]>((resolve, reject) => this.waiting.set(id, { resolve, reject, onProgress }));
    // The process stays for a task that is under way, and for nothing else.
    worker.ref();
    worker.postMessage({ id, task } satisfies Request, moved);
    try {
      return (await outcome) as Outcomes[Kind];
    } finally {
      if (this.waiting.size === 0) this.worker?.unref();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restart);
    const { worker } = this;
    this.lose('it was closed');
    await worker?.terminate();
  }

  private spawn(): void {
    const worker = this.spawnWorker(this.start);
    this.worker = worker;
    worker.unref();
    let reason = 'it ended by itself';
    worker.on('message', (report: Report) => this.hear(report));
    worker.on('error', (error) => { reason = error instanceof Error ? error.message : String(error); });
    worker.on('exit', () => { if (this.worker === worker) this.died(reason); });
  }

  private hear(report: Report): void {
    if (report.type === 'ready') {
      this.backend = report.backend;
      if (this.toldGone) this.onWorker({ type: 'started', reason: `again, on ${report.backend}` });
      this.toldGone = false;
      return;
    }
    const waiting = this.waiting.get(report.id);
    if (report.type === 'progress') return waiting?.onProgress?.(report.progress);
    this.waiting.delete(report.id);
    if (report.type === 'failed') return waiting?.reject(new OperationError('internal', report.message, { effect: 'none' }));
    this.deaths = 0;
    waiting?.resolve(report.outcome);
  }

  private died(reason: string): void {
    this.lose(reason);
    if (!this.toldGone) this.onWorker({ type: 'died', reason });
    this.toldGone = true;
    if (this.closed || !this.start.model) return;
    this.restart = setTimeout(() => this.spawn(), Math.min(RESTART.mostMs, RESTART.firstMs * 2 ** this.deaths++)).unref();
  }

  /** What waited is told why; a worker that still runs is ended by the caller. */
  private lose(reason: string): void {
    this.worker = undefined;
    this.backend = undefined;
    this.lastReason = reason;
    const error = ended(reason);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
