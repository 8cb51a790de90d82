export * from './thread-snapshot.js';
export * from './chain.js';
export * from './codec.js';
export * from './delta.js';
export * from './checkpoint-part.js';
export * from './delta-writer.js';
export * from './image-digest.js';
