import { runtimeContract } from '@godwit/testing';
import { wasmRuntime } from './wasm-runtime.js';
import { compiled, inputs, programOf, RIG_LIMITS } from './wasm-rig.js';

/** Beyond the size from which on writes are tracked. */
const LARGE = { limits: { ...RIG_LIMITS, memoryBytes: 128 * 1024 * 1024 } };

runtimeContract(wasmRuntime, [
  { name: 'recurses deeply', program: async () => programOf(await compiled('recursion')), inputs: [], movesInside: 2 },
  { name: 'rewrites and grows its memory', program: async () => programOf(await compiled('memory')), inputs: [], movesInside: 5 },
  { name: 'rewrites its memory for long', program: async () => programOf(await compiled('memory', ['-DROUNDS=800'])), inputs: [], movesInside: 5, rewrites: true },
  { name: 'computes floats in inner loops', program: async () => programOf(await compiled('floats')), inputs: [], movesInside: 5 },
  {
    name: 'sorts through function pointers', program: async () => programOf(await compiled('sorting')),
    inputs: inputs('5000\n', '12\n70', '0\n', '3000\n1\n', '9000\n'), movesInside: 3,
  },
  {
    name: 'answers lines with the time and a random number', program: async () => programOf(await compiled('echo')),
    inputs: inputs('a line\n', 'half of ', 'another\nand a third\n', 'four\nfive\nsix\n', 'the last'), movesInside: 1,
  },
  {
    name: 'is an ordinary C++ program with the standard library', program: async () => programOf(await compiled('words.cc', ['-fno-exceptions'])),
    inputs: inputs('the quick brown fox\njumps over the lazy dog\n', 'and the dog', ' sleeps\n', 'over and over\n'), movesInside: 1,
  },
  // The other form: each write is tracked, and a copy looks only at what was written.
  { name: 'recurses deeply and is tracked', program: async () => programOf(await compiled('recursion'), LARGE), inputs: [], movesInside: 2 },
  { name: 'rewrites its memory for long and is tracked', program: async () => programOf(await compiled('memory', ['-DROUNDS=800']), LARGE), inputs: [], movesInside: 5, rewrites: true },
  {
    name: 'answers lines and is tracked', program: async () => programOf(await compiled('echo'), LARGE),
    inputs: inputs('a line\n', 'half of ', 'another\nand a third\n', 'four\nfive\nsix\n', 'the last'), movesInside: 1,
  },
]);
