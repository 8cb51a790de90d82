export { connectNats, MINIMUM_NATS_VERSION, NATS_TIMEOUTS, type LinkEvent, type NatsConnectionOptions, type NatsCredentials, type NatsLink, type RequestOptions } from './connection.js';
export { natsJournal, type NatsJournalOptions } from './journal.js';
export { MAX_BATCH_BYTES } from './fenced-appender.js';
export { MAX_BATCH_RECORDS } from './append.js';
export { LEASE_MS, openLeases, type LeaseChange, type Leases, type LeasesOptions } from './leases.js';
export { openPrograms, type Programs } from './programs.js';
export { ensureStreams, type StreamsOptions } from './streams.js';
export { openLocalLog, type LocalLog, type LocalLogOptions, type LoggedAppend } from './local-log.js';
