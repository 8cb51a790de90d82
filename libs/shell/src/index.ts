export * from './platform.js';
export * from './config.js';
export * from './log.js';
export * from './request.js';
export * from './nest-transport.js';
export * from './admin.js';
export * from './service.js';
export * from './registry-follower.js';
