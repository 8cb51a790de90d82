export { TaskRuntime, type TaskRuntimeOptions } from './task-runtime.js';
