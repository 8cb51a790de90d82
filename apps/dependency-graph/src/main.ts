/** The dependency graph's process. */
import { connectNats, ensureStreams } from '@godwit/nats';
import { ADMIN, configOrExit, createLog, runService, systemClock, type Admin } from '@godwit/shell';
import { STREAMS } from '@godwit/wire';
import { GraphController } from './graph.controller.js';
import { GraphKeeper } from './graph-keeper.js';
import { openGraphService } from './service.js';

const config = configOrExit({});
const log = createLog('dependency-graph', config.GODWIT_LOG_LEVEL);
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'dependency-graph' });
await ensureStreams(link, { replicas: config.GODWIT_REPLICAS >= 3 ? 3 : 1, registrySubjects: STREAMS.registry.subjects });
const service = await openGraphService({ nats: link.nc, log, clock: systemClock });
const app = await runService({
  name: 'dependency-graph', log, nats: link.nc, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT },
  providers: [{ provide: GraphKeeper, useValue: service.keeper }], controllers: [GraphController],
  checks: [{ name: 'registry', failing: () => service.follower.failing() }],
  close: () => service.close(),
});
const { metrics } = app.get<Admin>(ADMIN);
for (const { name } of service.metrics.getMetricsAsArray()) metrics.registerMetric(service.metrics.getSingleMetric(name)!);
