/** Starts the worker and speaks its protocol. Knows nothing of the thread's life; `task-instance.ts` does. */
import { Worker } from 'node:worker_threads';
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import { COUNTERS, COUNTERS_BYTES, type Answer, type Command, type ProgramIdentity, type Report, type Request, type WorkerStart } from './protocol.js';

/** Under jest this file is a source, and the worker starts from sources too; else both are `tsc`'s output. */
const FROM_SOURCE = import.meta.url.endsWith('.ts');
const ENTRY = new URL(FROM_SOURCE ? './worker/source-worker.mjs' : './worker/worker.js', import.meta.url);
// V8's modules give each program a realm of its own, see `worker/realm-loader.ts`; the flag holds for the worker only.
const NODE_FLAGS = ['--experimental-vm-modules', '--no-warnings', ...(FROM_SOURCE ? ['--conditions=@godwit/source'] : [])];

const MIB = 1024 * 1024;
const HEAP_BASE_MIB = 64;
/** A decoded state takes a multiple of its bytes, and encoding needs it once more. */
const HEAP_PER_STATE = 6;
const LONGEST_BOOT_MS = 30_000;

export type WorkerOptions = Omit<WorkerStart, 'counters'>;

export interface HostEvents {
  onReport(report: Extract<Report, { type: 'progress' | 'log' }>): void;
  /** The program can run no more. Called once; the worker is ended already. */
  onFault(fault: Refusal): void;
}

export class WorkerHost {
  readonly counters: Float64Array;
  private readonly worker: Worker;
  private readonly pending = new Map<number, (answer: Answer) => void>();
  private requests = 0;
  private dead: Refusal | undefined;
  private onLoaded: (outcome: ProgramIdentity | Refusal) => void = () => undefined;

  constructor(options: WorkerOptions, private readonly events: HostEvents) {
    const shared = new SharedArrayBuffer(COUNTERS_BYTES);
    this.counters = new Float64Array(shared);
    this.worker = new Worker(ENTRY, {
      workerData: { ...options, counters: shared } satisfies WorkerStart,
      execArgv: NODE_FLAGS, argv: [], env: {}, name: options.thread,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_BASE_MIB + Math.ceil((HEAP_PER_STATE * options.memoryBytes) / MIB) },
    });
    this.worker.on('message', (report: Report) => this.hear(report));
    this.worker.on('error', (error) => this.fail(faultOf(error)));
    this.worker.on('exit', (code) => this.fail(refuse('thread-fault', `the worker of the thread ended by itself with code ${code}`)));
  }

  /** Resolves with what the program says it is, or why it cannot be run. */
  async loaded(): Promise<ProgramIdentity | Refusal> {
    const outcome = new Promise<ProgramIdentity | Refusal>((resolve) => { this.onLoaded = resolve; });
    const timer = setTimeout(() => this.fail(refuse('invalid-program', `the program was not loaded within ${LONGEST_BOOT_MS} ms`)), LONGEST_BOOT_MS);
    try {
      return await outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  private hear(report: Report): void {
    // What was under way when the worker was ended counts no more.
    if (this.dead) return;
    if (report.type === 'loaded') this.onLoaded(report.identity);
    else if (report.type === 'not-loaded') this.fail(report.refusal);
    else if (report.type === 'fault') this.fail(report.refusal);
    else if (report.type === 'reply') this.answer(report.id, report.answer);
    else this.events.onReport(report);
  }

  private answer(id: number, answer: Answer): void {
    const resolve = this.pending.get(id);
    this.pending.delete(id);
    resolve?.(answer);
  }

  /** Ends the worker; everything that waits for it gets `fault` as its answer. */
  fail(fault: Refusal): void {
    if (!this.close(fault)) return;
    this.events.onFault(fault);
  }

  private close(reason: Refusal): boolean {
    if (this.dead) return false;
    this.dead = reason;
    this.onLoaded(reason);
    for (const id of this.pending.keys()) this.answer(id, reason);
    void this.worker.terminate();
    return true;
  }

  request(request: Request): Promise<Answer> {
    if (this.dead) return Promise.resolve(this.dead);
    const id = ++this.requests;
    return new Promise((resolve) => {
      this.pending.set(id, resolve);
      this.send({ type: 'request', id, request });
    });
  }

  send(command: Command): void {
    if (!this.dead) this.worker.postMessage(command);
  }

  /** Number of the stretch of program code that executes now; 0 while none does. */
  get running(): number {
    return this.counters[COUNTERS.running]!;
  }

  /** CPU of the worker so far, ms; answered also while a handler does not return. */
  async cpuMs(): Promise<number> {
    const { user, system } = await this.worker.cpuUsage();
    return (user + system) / 1000;
  }

  async stop(): Promise<void> {
    this.close(refuse('conflict', 'the thread was stopped here'));
    await this.worker.terminate();
  }
}

function faultOf(error: unknown): Refusal {
  if (isRefusal(error)) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return refuse('limit-exceeded', 'the thread used more memory than its limit of encoded state allows', 'limits.memoryBytes');
  return refuse('thread-fault', `the worker of the thread failed: ${String(message ?? error)}`);
}
