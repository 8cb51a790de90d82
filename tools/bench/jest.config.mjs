import { shared } from '../../jest.config.mjs';

/** Benches that need Jest (real servers from the test kit): one at a time, and their figures on the terminal. */
export default { ...shared, rootDir: '../..', testMatch: ['**/*.bench.ts'], testTimeout: 600_000, maxWorkers: 1, verbose: false };
