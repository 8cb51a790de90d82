import { isRefusal, refuse, type Refusal, type Sha256Of, type ThreadId } from '@godwit/kernel';
import type { Runtime, RuntimeEvents, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import { TaskInstance } from './task-instance.js';

/** Loading is not counted as CPU but as time, and a machine may be busy: the module's top level gets at least this. */
const LEAST_EVALUATE_MS = 1_000;

export interface TaskRuntimeOptions {
  /** Lines that threads write with `ctx.log` or `console`, at most 8 KiB each. They are dropped when left out. */
  onLog?(line: { readonly thread: ThreadId; readonly text: string }): void;
}

/** The runtime of threads that are written with `@godwit/sdk`: an ECMAScript module and its codec, each in a worker. */
export class TaskRuntime implements Runtime {
  readonly kind = 'task';

  constructor(private readonly options: TaskRuntimeOptions = {}) {}

  async prepare(program: ThreadProgram, events: RuntimeEvents, sha256: Sha256Of): Promise<ThreadInstance | Refusal> {
    const refused = check(program, sha256);
    if (refused) return refused;
    const { thread, args, env, seed, limits, bytes } = program;
    const instance = new TaskInstance({
      program, events, sha256,
      worker: {
        thread, args: [...args], env: { ...env }, seed, program: bytes, memoryBytes: limits.memoryBytes,
        evaluateMs: Math.ceil(Math.max(LEAST_EVALUATE_MS, limits.safepointMs)),
      },
      onLog: (text) => this.options.onLog?.({ thread, text }),
    });
    const loaded = await instance.load();
    return isRefusal(loaded) ? loaded : instance;
  }
}

function check(program: ThreadProgram, sha256: Sha256Of): Refusal | undefined {
  const { limits } = program;
  if (program.runtime !== 'task') return refuse('invalid-field', `runtime must be task here, but is ${program.runtime}`, 'runtime');
  for (const field of ['memoryBytes', 'safepointMs'] as const) {
    if (!(limits[field] > 0 && Number.isFinite(limits[field]))) return refuse('invalid-field', `limits.${field} must be above 0, but is ${limits[field]}`, `limits.${field}`);
  }
  if (sha256(program.bytes) !== program.sha256) return refuse('digest-mismatch', 'the bytes of the program do not have its SHA-256', 'sha256');
  return undefined;
}
