export * from './types.js';
export { GodwitError } from './godwit-error.js';
export { GodwitClient, type ClientOptions, type PageOptions } from './client.js';
