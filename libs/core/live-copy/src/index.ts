export * from './image-copier.js';
export * from './image-target.js';
export * from './precopy.js';
export * from './time-to-move.js';
export * from './checkpoint-image.js';
