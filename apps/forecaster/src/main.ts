/** The forecaster's process. */
import { isRefusal } from '@godwit/kernel';
import { connectNats, ensureStreams } from '@godwit/nats';
import { ADMIN, configOrExit, createLog, runService, systemClock, type Admin } from '@godwit/shell';
import { STREAMS } from '@godwit/wire';
import { z } from 'zod';
import { openNeuralForecaster } from '@godwit/tfjs';
import { openForecastService } from './service.js';
import { parseShare } from './share.js';

const config = configOrExit({
  GODWIT_HORIZON_MS: z.coerce.number().min(1_000).max(600_000).default(60_000),
  /** `i/n`: this instance forecasts the i-th of n parts of all devices and threads. */
  GODWIT_SHARE: z.string().refine((text) => parseShare(text) !== undefined, 'must be i/n with i from 0 to n - 1').default('0/1'),
  /** The neural model beside the online ones: `off` leaves it out. */
  GODWIT_NEURAL: z.enum(['on', 'off']).default('on'),
  /** Folder of models as `godwit train` writes it; the shipped ones by default. */
  GODWIT_NEURAL_MODELS: z.string().min(1).optional(),
  /** How often each series gets a new path, where a tenth of a core suffices for it: some hundred series each second, thousands every 10 to 30 s. */
  GODWIT_NEURAL_REFRESH_MS: z.coerce.number().min(1_000).max(300_000).default(1_000),
});
const log = createLog('forecaster', config.GODWIT_LOG_LEVEL);
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'forecaster' });
await ensureStreams(link, { replicas: config.GODWIT_REPLICAS >= 3 ? 3 : 1, registrySubjects: STREAMS.registry.subjects });
const opened = config.GODWIT_NEURAL === 'off' ? undefined : await openNeuralForecaster({
  ...(config.GODWIT_NEURAL_MODELS === undefined ? {} : { folder: config.GODWIT_NEURAL_MODELS }),
  onWorker: ({ type, reason }) => (type === 'died' ? log.warn({ reason }, 'the neural model\'s worker died; the online models go on') : log.info({ reason }, 'the neural model is back')),
});
if (isRefusal(opened)) log.warn({ field: opened.field, reason: opened.reason }, 'the neural model cannot be used; the online models go on');
const neural = opened === undefined || isRefusal(opened) ? undefined : { model: opened, refreshMs: config.GODWIT_NEURAL_REFRESH_MS };
const service = await openForecastService({ ...(neural ? { neural } : {}), nats: link.nc, log, clock: systemClock, horizonMs: config.GODWIT_HORIZON_MS, share: parseShare(config.GODWIT_SHARE)! });
const app = await runService({
  name: 'forecaster', log, nats: link.nc, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT }, providers: [], controllers: [],
  checks: [{ name: 'registry', failing: () => service.follower.failing() }],
  close: () => service.close(),
});
const { metrics } = app.get<Admin>(ADMIN);
for (const { name } of service.metrics.getMetricsAsArray()) metrics.registerMetric(service.metrics.getSingleMetric(name)!);
