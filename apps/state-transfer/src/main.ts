/** The process of state-transfer. */
import { connectNats, ensureStreams } from '@godwit/nats';
import { openCheckpointStore } from '@godwit/redis';
import { ADMIN, configOrExit, createLog, runService, systemClock, type Admin } from '@godwit/shell';
import { STREAMS } from '@godwit/wire';
import { z } from 'zod';
import { PURGER_LIMITS } from './purger.js';
import { openTransferService } from './service.js';
import { GRANT_PORTS, TransferController } from './transfer.controller.js';
import { TransferPaths } from './transfer-paths.js';

const config = configOrExit({
  /** How long a client may repeat a request: its record is kept so long. */
  GODWIT_RETRY_HORIZON_MS: z.coerce.number().min(1_000).default(PURGER_LIMITS.retryHorizonMs),
  GODWIT_PURGE_MS: z.coerce.number().min(100).max(3_600_000).default(5_000),
  GODWIT_TRANSFERS_PER_LINK: z.coerce.number().int().min(1).max(64).default(2),
});
const log = createLog('state-transfer', config.GODWIT_LOG_LEVEL);
const replicas = config.GODWIT_REPLICAS >= 3 ? 3 : 1;
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'state-transfer' });
await ensureStreams(link, { replicas, registrySubjects: STREAMS.registry.subjects });
const store = await openCheckpointStore({ url: config.GODWIT_REDIS_URL });
const service = await openTransferService({
  link, store, log, clock: systemClock, replicas,
  retryHorizonMs: config.GODWIT_RETRY_HORIZON_MS, purgeMs: config.GODWIT_PURGE_MS, transfersPerLink: config.GODWIT_TRANSFERS_PER_LINK,
});
const app = await runService({
  name: 'state-transfer', log, nats: link.nc, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT },
  providers: [{ provide: GRANT_PORTS, useValue: service.grants }, { provide: TransferPaths, useValue: service.paths }], controllers: [TransferController],
  checks: [{ name: 'registry', failing: () => service.follower.failing() }],
  close: async () => {
    await service.close();
    await store.close();
  },
});
const { metrics } = app.get<Admin>(ADMIN);
for (const { name } of service.metrics.getMetricsAsArray()) metrics.registerMetric(service.metrics.getSingleMetric(name)!);
