export { ACCELERATOR_METRICS, openAccelerators, withoutAccelerators, type AcceleratorsOptions } from './accelerators.js';
export type { NvidiaGpusOptions } from './nvidia-gpus.js';
