/** The forecaster's process. */
import { connectNats, ensureStreams } from '@godwit/nats';
import { ADMIN, configOrExit, createLog, runService, systemClock, type Admin } from '@godwit/shell';
import { STREAMS } from '@godwit/wire';
import { z } from 'zod';
import { openForecastService } from './service.js';
import { parseShare } from './share.js';

const config = configOrExit({
  GODWIT_HORIZON_MS: z.coerce.number().min(1_000).max(600_000).default(60_000),
  /** `i/n`: this instance forecasts the i-th of n parts of all devices and threads. */
  GODWIT_SHARE: z.string().refine((text) => parseShare(text) !== undefined, 'must be i/n with i from 0 to n - 1').default('0/1'),
});
const log = createLog('forecaster', config.GODWIT_LOG_LEVEL);
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'forecaster' });
await ensureStreams(link, { replicas: config.GODWIT_REPLICAS >= 3 ? 3 : 1, registrySubjects: STREAMS.registry.subjects });
const service = await openForecastService({ nats: link.nc, log, clock: systemClock, horizonMs: config.GODWIT_HORIZON_MS, share: parseShare(config.GODWIT_SHARE)! });
const app = await runService({
  name: 'forecaster', log, nats: link.nc, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT }, providers: [], controllers: [],
  checks: [{ name: 'registry', failing: () => service.follower.failing() }],
  close: () => service.close(),
});
const { metrics } = app.get<Admin>(ADMIN);
for (const { name } of service.metrics.getMetricsAsArray()) metrics.registerMetric(service.metrics.getSingleMetric(name)!);
