export * from './message-codec.js';
export * from './fields.js';
export * from './journal.js';
export * from './registry.js';
export * from './control.js';
export * from './metrics.js';
export * from './subjects.js';
export * from './refusal-headers.js';
