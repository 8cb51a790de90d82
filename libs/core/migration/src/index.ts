export * from './migration.js';
export * from './step.js';
export * from './commands.js';
