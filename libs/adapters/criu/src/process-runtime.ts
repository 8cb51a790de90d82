import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError, refuse, type Refusal, type Sha256Of, type ThreadId } from '@godwit/kernel';
import type { Runtime, RuntimeEvents, ThreadInstance, ThreadProgram } from '@godwit/runtime';
import type { CellOptions } from './cell.js';
import type { CriuCommand } from './command.js';
import { statOf } from './proc-tree.js';
import { ProcessThread } from './process-thread.js';
import { judgeProgram, keepProgram } from './program-store.js';

/** The same on every machine, since a process remembers the paths of its files. */
export const DEFAULT_ROOT = '/var/lib/godwit/process';

export interface ProcessRuntimeOptions {
  readonly criu: CriuCommand;
  /** Absolute, in folders that everybody may pass (mode 0711 or wider), the same path on every device. Default `DEFAULT_ROOT`. */
  readonly root?: string;
  /** The user ids that threads get, one each; the same on every device. Default 268 million from 1610612736. */
  readonly userIds?: { readonly first: number; readonly count: number };
}

const USER_IDS = { first: 0x6000_0000, count: 0x1000_0000 };
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
let cells = 0;

/** A user id of the thread's own, from its name alone: the same wherever it runs, and none that a person has. */
export function userIdOf(thread: ThreadId, { first, count } = USER_IDS): number {
  return first + (createHash('sha256').update(thread).digest().readUInt32LE(0) % count);
}

/** The runtime of Linux process trees, whose state CRIU takes. Needs what `processCapability` checks. */
export class ProcessRuntime implements Runtime {
  readonly kind = 'process';

  constructor(private readonly options: ProcessRuntimeOptions) {}

  async prepare(program: ThreadProgram, events: RuntimeEvents, sha256: Sha256Of): Promise<ThreadInstance | Refusal> {
    const refused = judge(program, sha256) ?? judgeProgram(program.bytes);
    if (refused) return refused;
    const root = this.options.root ?? DEFAULT_ROOT;
    const thread = new ProcessThread({
      program, events, sha256, path: keepProgram(join(root, 'programs'), program),
      cell: cellOptions(this.options, program.thread),
    });
    try {
      await thread.open();
      return thread;
    } catch (error) {
      await thread.stop();
      if (error instanceof OperationError) return refuse(error.code, error.message, 'runtime');
      throw error;
    }
  }
}

/** Where the next cell of this process lies. */
export function cellOptions({ criu, root = DEFAULT_ROOT, userIds }: ProcessRuntimeOptions, thread: ThreadId): CellOptions {
  const folder = join(root, 'cells');
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  sweep(folder);
  const name = `${process.pid}-${statOf(process.pid)?.startTicks ?? 0}-${++cells}`;
  return { criu, folder: join(folder, name), inside: join(root, 'thread'), userId: userIdOf(thread, userIds) };
}

/** Removes the folders of cells whose keeper was killed; the cells themselves ended with it. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [pid, startTicks] = name.split('-');
    if (statOf(Number(pid))?.startTicks !== startTicks) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function judge(program: ThreadProgram, sha256: Sha256Of): Refusal | undefined {
  const { runtime, limits, args, env, bytes } = program;
  if (runtime !== 'process') return refuse('invalid-field', `runtime must be process here, but is ${runtime}`, 'runtime');
  if (!(limits.memoryBytes > 0 && Number.isFinite(limits.memoryBytes))) return refuse('invalid-field', `limits.memoryBytes must be above 0, but is ${limits.memoryBytes}`, 'limits.memoryBytes');
  if (args.some((arg) => arg.includes('\0'))) return refuse('invalid-field', 'args must hold no NUL', 'args');
  for (const [name, value] of Object.entries(env)) {
    if (!VARIABLE.test(name) || value.includes('\0')) return refuse('invalid-field', `env: ${JSON.stringify(name.slice(0, 80))} is not the name of a variable, or its value holds NUL`, 'env');
  }
  return sha256(bytes) === program.sha256 ? undefined : refuse('digest-mismatch', 'the bytes of the program do not have its SHA-256', 'sha256');
}
