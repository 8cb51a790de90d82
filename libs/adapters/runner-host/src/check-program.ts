import { isRefusal, OperationError, refuse, type Refusal } from '@godwit/kernel';
import type { ThreadProgram } from '@godwit/runtime';
import { RunnerProcess } from './runner-process.js';

/** Long enough to load a program on a busy machine. */
const CHECK_MS = 30_000;

/** Loads the program in a runner of its own, which ends afterwards: a program that kills its process kills nothing else. */
export async function checkProgram(entry: string, program: ThreadProgram): Promise<Refusal | undefined> {
  const runner = RunnerProcess.start(entry);
  try {
    await runner.ready;
    const reply = await runner.request('prepare', { program }, { timeoutMs: CHECK_MS });
    if (isRefusal(reply)) return reply;
    // A task's first state is made and encoded; nothing of the program runs beyond that, for it has no input.
    const started = program.runtime === 'task' ? await runner.request('start', {}, { timeoutMs: CHECK_MS }) : null;
    return isRefusal(started) ? started : undefined;
  } catch (cause) {
    if (!(cause instanceof OperationError)) throw cause;
    return refuse('invalid-program', `the program could not be loaded: ${cause.message}`, 'programSha256');
  } finally {
    runner.end();
  }
}
