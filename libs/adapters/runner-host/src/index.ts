export { descendantsOf } from './descendants.js';
export { RunnerPool, RunnerProcess, type RunnerListener, type RunnerSettings } from './runner-process.js';
export { checkProgram } from './check-program.js';
export { defaultRunnerEntry } from './runner-entry.js';
