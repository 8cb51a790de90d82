export * from './message-codec.js';
export * from './fields.js';
export * from './journal.js';
