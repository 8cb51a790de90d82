export { wasmRuntime } from './wasm-runtime.js';
export { ensureMigratable } from './instrument.js';
export { MIGRATABLE_VERSION } from './abi.js';
