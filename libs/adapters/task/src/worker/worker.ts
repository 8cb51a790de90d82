/** Entry of the worker that executes one thread: loads the program, then obeys the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, isRefusal, refuse } from '@godwit/kernel';
import type { Command, Report, WorkerStart } from '../protocol.js';
import { describeError } from './describe-error.js';
import { Duty } from './duty.js';
import { Engine } from './engine.js';
import { loadProgram } from './realm-loader.js';
import { VirtualWorld } from './virtual-world.js';

assert(parentPort, 'worker.ts runs in a worker');
const port = parentPort;
const start = workerData as WorkerStart;
const report = (message: Report): void => port.postMessage(message);

let engine: Engine | undefined;
const world = new VirtualWorld(start.seed, {
  onFull: () => engine?.cut(),
  onSafepoint: (resume) => engine?.onSafepoint(resume),
  onLog: (text) => report({ type: 'log', text }),
});

// A promise that a handler left behind failed: as bad as a handler that throws.
process.on('unhandledRejection', (reason) => {
  const refusal = refuse('thread-fault', describeError(reason));
  if (engine) engine.fault(refusal);
  else report({ type: 'not-loaded', refusal: refuse('invalid-program', refusal.reason) });
});

const identity = { thread: start.thread, args: start.args, env: start.env };
const thread = await loadProgram(start.program, { identity, ports: world.ports, evaluateMs: start.evaluateMs });
if (isRefusal(thread)) report({ type: 'not-loaded', refusal: thread });
else {
  const cpuMicros = (): number => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  const monotonicMs = (): number => performance.now();
  const running = new Engine({
    thread, world, report, cpuMicros, monotonicMs,
    duty: new Duty({ cpuMicros, monotonicMs }), counters: new Float64Array(start.counters), memoryBytes: start.memoryBytes,
  });
  engine = running;
  port.on('message', (command: Command) => running.accept(command));
  const { name, version, deterministic } = thread;
  report({ type: 'loaded', identity: { name, version, deterministic } });
  await running.run();
}
