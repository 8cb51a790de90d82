export * from './ids.js';
export * from './time.js';
export * from './rng.js';
export * from './refusal.js';
export * from './codes.js';
export * from './digest.js';
