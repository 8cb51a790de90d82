/**
 * TensorFlow.js on the best backend that this machine has: `@tensorflow/tfjs-node` where somebody installed it (it downloads a
 * native library, so it is no dependency of ours), else WebAssembly from `node_modules`, else plain JavaScript.
 */
import { OperationError } from '@godwit/kernel';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';

export type Tf = typeof import('@tensorflow/tfjs-core');
export type BackendName = 'tensorflow' | 'wasm' | 'cpu';
/** The fastest first. */
export const BACKENDS: readonly BackendName[] = ['tensorflow', 'wasm', 'cpu'];

export interface Backend {
  readonly tf: Tf;
  readonly name: BackendName;
}

const require = createRequire(import.meta.url);

/**
 * @param wanted only this one; by default the fastest that there is.
 * @throws OperationError `unsupported` when it is not there.
 */
export async function openBackend(wanted?: BackendName): Promise<Backend> {
  const failures: unknown[] = [];
  for (const name of wanted === undefined ? BACKENDS : [wanted]) {
    try {
      const tf = await OPEN[name]();
      // Greets every start of Node with an advertisement otherwise.
      tf.env().set('IS_TEST', true);
      if ((await tf.setBackend(name)) && tf.getBackend() === name) return { tf, name };
      failures.push(new Error(`${name} did not start`));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new OperationError('unsupported', `no TensorFlow.js backend of ${(wanted ?? BACKENDS).toString()}`, { effect: 'none', cause: new AggregateError(failures) });
}

const OPEN: Readonly<Record<BackendName, () => Promise<Tf>>> = {
  async tensorflow() {
    // tfjs-node 4.22 calls this function, which Node 23 took out.
    const old = util as { isNullOrUndefined?: (value: unknown) => boolean };
    old.isNullOrUndefined ??= (value) => value === null || value === undefined;
    require('@tensorflow/tfjs-node');
    return core();
  },
  async wasm() {
    const tf = await core();
    const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'));
    return tf;
  },
  async cpu() {
    const tf = await core();
    require('@tensorflow/tfjs-backend-cpu');
    return tf;
  },
};

async function core(): Promise<Tf> {
  const tf = require('@tensorflow/tfjs-core') as Tf;
  // The gradients of all kernels are registered by the layers' package; the core alone has none.
  require('@tensorflow/tfjs-layers');
  return tf;
}
