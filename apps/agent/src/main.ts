/** The agent's process: reads configuration, opens the host's and the network's side, and wires them to the agent. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isId, isRefusal, type DeviceId, type Refusal } from '@godwit/kernel';
import { openAccelerators, withoutAccelerators } from '@godwit/accelerators';
import { BulkDoor, knock } from '@godwit/bulk';
import { Agent, LeaseKeeper } from '@godwit/handover';
import { connectNats, natsJournal, openLeases, openLocalLog, openPrograms } from '@godwit/nats';
import { hostFacts, openDeviceCollectors } from '@godwit/proc';
import { openCheckpointStore } from '@godwit/redis';
import { defaultRunnerEntry, RunnerPool } from '@godwit/runner-host';
import { demandDurability } from '@godwit/servers';
import { configOrExit, createLog, randomIds, runService, systemClock, systemTimers } from '@godwit/shell';
import { copyReportCodec, encodeSamples, leaseCodec, shadowStatusCodec, SUBJECTS, threadEventCodec, traceBatchCodec } from '@godwit/wire';
import { z } from 'zod';
import { capacityOf, openCapacity } from './capacity.js';
import { CommandsController } from './commands.controller.js';
import { Links } from './links.js';
import { DEFAULT_PROCESS_ROOT, offerRuntimes } from './offered-runtimes.js';
import { FileOwnLog } from './own-log.js';
import { Programs } from './programs.js';
import { RedisCheckpoints } from './redis-checkpoints.js';
import { Sampler } from './sampler.js';

const GIB = 1024 ** 3;
const config = configOrExit({
  GODWIT_DEVICE: z.string().refine(isId, 'must be 1 to 64 of a-z, 0-9 and -'),
  /** Enforced CPU capacity of the device, cores. */
  GODWIT_CPU_CORES: z.coerce.number().positive().max(4096),
  GODWIT_MEMORY_BYTES: z.coerce.number().int().min(1024 * 1024).default(4 * GIB),
  GODWIT_RUNTIMES: z.string().default('wasm,task').transform((text) => text.split(',')),
  /** For the runtime process: where CRIU lies, whether it may be obtained, and where programs and cells are. */
  GODWIT_TOOLS_DIR: z.string().default('.godwit/tools'),
  GODWIT_CRIU: z.enum(['find', 'obtain']).default('find'),
  GODWIT_PROCESS_ROOT: z.string().startsWith('/').default(DEFAULT_PROCESS_ROOT),
  GODWIT_SCOPE: z.enum(['host', 'processes']).default('processes'),
  GODWIT_ENFORCEMENT: z.enum(['auto', 'cgroup', 'duty-cycle']).default('auto'),
  /** Whose the machine's GPUs, FPGAs and ASICs are: `auto` is this device's if it is the whole host. */
  GODWIT_ACCELERATORS: z.enum(['auto', 'all', 'none']).default('auto'),
  GODWIT_SAMPLE_MS: z.coerce.number().min(10).max(1_000).default(100),
  GODWIT_PUBLISH_MS: z.coerce.number().min(10).max(1_000).default(500),
  GODWIT_BULK_HOST: z.string().default('127.0.0.1'),
  GODWIT_BULK_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** The built runner; beside this app in the workspace and in the image. */
  GODWIT_RUNNER_ENTRY: z.string().default(defaultRunnerEntry()),
  GODWIT_WARM_RUNNERS: z.coerce.number().int().min(0).max(64).default(1),
});
const device = config.GODWIT_DEVICE as DeviceId;
const log = createLog(`agent-${device}`, config.GODWIT_LOG_LEVEL);
const orExit = <T>(value: T | Refusal): T => {
  if (!isRefusal(value)) return value;
  process.stderr.write(`godwit-agent: ${value.reason}\n`);
  process.exit(2);
};

await mkdir(config.GODWIT_DATA_DIR, { recursive: true });
await demandDurability({ url: config.GODWIT_NATS_URL, monitorUrl: config.GODWIT_NATS_MONITOR_URL, unsafe: config.GODWIT_UNSAFE_DURABILITY });
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: `agent-${device}` });
const nats = link.nc;
const leases = await openLeases(link, { replicas: config.GODWIT_REPLICAS >= 3 ? 3 : 1 });
const store = await openCheckpointStore({ url: config.GODWIT_REDIS_URL });
const bootId = hostFacts().bootId ?? 'unknown';
const door = await BulkDoor.open(config.GODWIT_BULK_HOST, config.GODWIT_BULK_PORT);
const enforcer = orExit(openCapacity({ device, cores: config.GODWIT_CPU_CORES, enforcement: config.GODWIT_ENFORCEMENT }, log));
const collectors = orExit(openDeviceCollectors({ scope: config.GODWIT_SCOPE, ...(enforcer.folder && config.GODWIT_SCOPE === 'processes' ? { cgroupFolder: enforcer.folder } : {}) }));
const ownsAccelerators = config.GODWIT_ACCELERATORS === 'all' || (config.GODWIT_ACCELERATORS === 'auto' && config.GODWIT_SCOPE === 'host');
const accelerators = ownsAccelerators ? openAccelerators() : withoutAccelerators('the accelerators of the host are not this device’s: GODWIT_ACCELERATORS=all gives them to it');
const localLog = await openLocalLog({ path: resolve(config.GODWIT_DATA_DIR, 'own.log') });
const offer = await offerRuntimes(config.GODWIT_RUNTIMES, { toolsDir: resolve(config.GODWIT_TOOLS_DIR), criu: config.GODWIT_CRIU, root: config.GODWIT_PROCESS_ROOT }, log);
const pool = new RunnerPool(config.GODWIT_RUNNER_ENTRY, config.GODWIT_WARM_RUNNERS, offer.settings);
const links = new Links(device, systemClock);

const agent = new Agent(
  {
    device, bootId, pid: process.pid, capacityCores: config.GODWIT_CPU_CORES, memoryBytes: config.GODWIT_MEMORY_BYTES, runtimes: offer.runtimes, missingRuntimes: offer.missing, bulkHost: config.GODWIT_BULK_HOST, sampleMs: config.GODWIT_SAMPLE_MS,
  },
  {
    journal: natsJournal(link, { replicas: config.GODWIT_REPLICAS >= 3 ? 3 : 1 }), checkpoints: new RedisCheckpoints(device, nats, store), ownLog: new FileOwnLog(localLog, log), programs: new Programs(await openPrograms(link)), pool, links, clock: systemClock, timers: systemTimers, log,
    bulk: { port: door.port, expect: (migration, key, onLink) => door.expect(migration, key, onLink), forget: (migration) => door.forget(migration), knock, close: () => door.close() },
    capacity: capacityOf(enforcer, offer.missing),
    publishCopy: (report) => nats.publish(SUBJECTS.copyReport(report.thread), copyReportCodec.encode(report)),
    publishShadow: (status) => nats.publish(SUBJECTS.shadow(status.thread), shadowStatusCodec.encode(status)),
    publishEvent: (event) => nats.publish(SUBJECTS.threadEvent(device), threadEventCodec.encode(event)),
    onProcesses: (pids) => void (config.GODWIT_SCOPE === 'processes' && collectors.setPids(pids)),
    onGone: (thread) => sampler.forget(thread),
  },
);
const sampler = new Sampler({
  device, capacityCores: config.GODWIT_CPU_CORES, memoryBytes: config.GODWIT_MEMORY_BYTES, collectors, accelerators, enforcer, clock: systemClock,
  hosts: () => agent.running(), links: () => links.read(), shadows: () => Object.fromEntries(agent.status().shadows.map(({ thread, lagMs }) => [`shadow.${thread}.lag_ms`, lagMs])),
  sendSamples: (batch) => nats.publish(SUBJECTS.metrics(device), encodeSamples(batch)),
  sendTrace: (batch) => nats.publish(SUBJECTS.trace(device), traceBatchCodec.encode(batch)),
});
const instance = randomIds.next('i');
const keeper = new LeaseKeeper({
  clock: systemClock, timers: systemTimers, log,
  renew: () => leases.renew(device, leaseCodec.encode({ device, bootId, instance, renewedAtMs: systemClock.nowMs(), bulkHost: config.GODWIT_BULK_HOST, bulkPort: door.port, missingRuntimes: offer.missing })),
  onLapse: () => agent.onLapse(),
  onRegain: (stillHeld) => agent.onRegain(stillHeld),
});

link.onEvent((event) => {
  if (event.type === 'reconnected') agent.checkBroker().catch((error: Error) => log.warn({ err: error }, 'broker not checked'));
});
const stopWatching = await leases.watch((change) => {
  if (change.type === 'ended') return links.gone(change.device);
  const lease = leaseCodec.decode(change.info);
  if (!isRefusal(lease)) links.seen(lease);
});
await runService({
  name: `agent-${device}`, log, nats, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT },
  providers: [{ provide: Agent, useValue: agent }], controllers: [CommandsController], subjectParts: { device },
  checks: [{ name: 'broker', failing: () => agent.regression?.reason }, { name: 'lease', failing: () => (keeper.held ? undefined : 'the lease has lapsed') }],
  close: async () => {
    keeper.close();
    sampler.close();
    links.close();
    stopWatching();
    await agent.close();
    await leases.drop(device);
    await store.close();
    await localLog.close();
  },
});
await keeper.start();
links.start();
sampler.start({ sampleMs: config.GODWIT_SAMPLE_MS, publishMs: config.GODWIT_PUBLISH_MS });
