export * from './migration.js';
export * from './step.js';
