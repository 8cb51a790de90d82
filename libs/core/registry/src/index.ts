export * from './specs.js';
export * from './registry.js';
