export * from './runtime.js';
export * from './runner-protocol.js';
