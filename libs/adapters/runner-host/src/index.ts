export { RunnerPool, RunnerProcess, type RunnerListener } from './runner-process.js';
export { checkProgram } from './check-program.js';
export { defaultRunnerEntry } from './runner-entry.js';
