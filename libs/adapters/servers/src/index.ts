export * from './resolved-server.js';
export { resolveNats, resolveRedis, type ResolveOptions } from './resolve.js';
export { lockDataDir, type DataLock } from './data-lock.js';
export { startNats, type RunningNats, type StartNatsOptions } from './start-nats.js';
export { startNatsCluster, type RunningNatsCluster, type StartNatsClusterOptions } from './start-nats-cluster.js';
export { startRedis, type StartRedisOptions } from './start-redis.js';
export type { RunningServer } from './running-server.js';
export type { ServerEnd } from './keep-server.js';
export { checkNatsDurability, demandDurability, type DurabilityQuery, type NatsDurability } from './nats-durability.js';
