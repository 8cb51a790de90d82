export * from './door.js';
export * from './stream.js';
