/** Started by an agent with an IPC channel; ends when the channel closes, whatever the reason. */
import type { Socket } from 'node:net';
import { runtimesFrom } from '@godwit/criu';
import type { ToRunner } from '@godwit/runtime';
import { TaskRuntime } from '@godwit/task';
import { wasmRuntime } from '@godwit/wasm';
import { Runner } from './runner.js';

if (!process.send) {
  process.stderr.write('godwit-runner: is started by an agent, not by hand\n');
  process.exit(2);
}
const runner = new Runner([wasmRuntime({ hostClock: process.env['GODWIT_HOST_CLOCK'] === 'bench' }), new TaskRuntime(), ...runtimesFrom(process.env)], (message) => {
  if (process.connected) process.send!(message);
});
process.on('message', (message: ToRunner, socket: Socket | undefined) => runner.accept(message, socket));
process.on('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole terminal group; the agent decides when a runner ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => process.exit(0));
process.send({ type: 'ready' });
