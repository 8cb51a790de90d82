/** The gateway as a process. Prints `{"listening": URL}` on stdout when the API is served. */
import { isRefusal, type Refusal } from '@godwit/kernel';
import { connectNats, ensureStreams, natsJournal, openLocalLog, openPrograms } from '@godwit/nats';
import { configOrExit, createLog, runService } from '@godwit/shell';
import { STREAMS } from '@godwit/wire';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gatewayConfig, readTokens } from './config.js';
import { startGateway } from './gateway.js';

const config = configOrExit(gatewayConfig);
const tokens = readTokens(config.GODWIT_TOKENS, config.GODWIT_HTTP_HOST);
if (isRefusal(tokens)) endWith(tokens);

function endWith(refusal: Refusal): never {
  process.stderr.write(`godwit: ${refusal.reason}\n`);
  process.exit(2);
}

const log = createLog('gateway', config.GODWIT_LOG_LEVEL);
const replicas = config.GODWIT_REPLICAS >= 3 ? 3 : 1;
const dataDir = resolve(config.GODWIT_DATA_DIR, 'gateway');
await mkdir(dataDir, { recursive: true });
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'gateway' });
await ensureStreams(link, { replicas, registrySubjects: STREAMS.registry.subjects });
const gateway = await startGateway({
  link, log, host: config.GODWIT_HTTP_HOST, port: config.GODWIT_HTTP_PORT, ...(tokens ? { tokens } : {}),
  journal: natsJournal(link, { replicas }), programs: await openPrograms(link, { replicas }), localLog: await openLocalLog({ path: join(dataDir, 'told.log') }),
});
await runService({
  name: 'gateway', log, nats: link.nc, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT },
  providers: [], controllers: [], checks: gateway.checks, close: () => gateway.close(),
});
process.stdout.write(`${JSON.stringify({ listening: gateway.url })}\n`);
