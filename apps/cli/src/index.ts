export { createProgram, runProgram } from './program.js';
export type { Terminal } from './cli.js';
