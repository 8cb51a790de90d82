export * from './door.js';
export * from './stream.js';
export * from './live-sender.js';
export * from './live-receiver.js';
export * from './image-port.js';
export * from './shadow-feed.js';
export * from './shadow-frames.js';
export * from './shadow-follower.js';
