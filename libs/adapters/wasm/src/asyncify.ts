/**
 * Binaryen's part: Asyncify over the module with polls, then its optimiser. Slow (20 s for a megabyte of code) and it
 * blocks, so only the child process of `instrument.ts` imports this file.
 */
import binaryen from 'binaryen';
import { EXPORT_STACK, HOST_MODULE } from './abi.js';
import { BLOCKING_WASI, WASI_MODULE } from './wasi-signatures.js';

/** Release 132 takes the features as second argument, other than its own declarations say. */
const readBinary = binaryen.readBinary as (bytes: Uint8Array, features: number) => binaryen.Module;

export function asyncify(bytes: Uint8Array): Uint8Array {
  const F = binaryen.Features;
  // Not `Features.All`: the result would use proposals that V8 refuses.
  const features = F.Atomics | F.MutableGlobals | F.NontrappingFPToInt | F.SIMD128 | F.BulkMemory | F.BulkMemoryOpt | F.SignExt
    | F.ReferenceTypes | F.Multivalue | F.MultiMemory | F.ExtendedConst;
  const module = readBinary(bytes, features);
  // Level 1: higher ones take twice as long, and the kernels of the bench run no faster.
  binaryen.setOptimizeLevel(1);
  binaryen.setShrinkLevel(0);
  binaryen.setPassArgument('asyncify-imports', [`${HOST_MODULE}.poll`, ...BLOCKING_WASI.map((name) => `${WASI_MODULE}.${name}`)].join(','));
  binaryen.setPassArgument('asyncify-memory', EXPORT_STACK);
  module.runPasses(['asyncify']);
  module.optimize();
  const instrumented = module.emitBinary();
  module.dispose();
  return instrumented;
}
