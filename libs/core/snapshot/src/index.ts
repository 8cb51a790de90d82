export * from './thread-snapshot.js';
export * from './chain.js';
export * from './codec.js';
