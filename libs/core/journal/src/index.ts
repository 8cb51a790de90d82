export * from './records.js';
export * from './journal.js';
export * from './purge-marks.js';
export * from './subjects.js';
