/**
 * What authors of TypeScript threads import. The task runtime gives a program this very module when it loads it, inside
 * a realm without Node: so nothing here may import anything but its neighbours, or use more than ECMAScript and UTF-8.
 */
export * from './thread.js';
export * from './define-thread.js';
export * from './json-codec.js';
export * from './protobuf-codec.js';
export * from './arrow-codec.js';
