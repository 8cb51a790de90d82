/** The migration controller's process. */
import { randomBytes } from 'node:crypto';
import { isRefusal, type ThreadId } from '@godwit/kernel';
import { DEFAULT_PLAN_LIMITS, type PlanLimits } from '@godwit/decision';
import { Owners, ResourceManager } from '@godwit/handover';
import { DEFAULT_LIMITS, type MigrationState } from '@godwit/migration';
import { connectNats, ensureStreams, natsJournal, openLeases, openPrograms } from '@godwit/nats';
import { defaultRunnerEntry } from '@godwit/runner-host';
import { demandDurability } from '@godwit/servers';
import { configOrExit, createLog, randomIds, runService, systemClock, systemTimers } from '@godwit/shell';
import { decisionRecordCodec, leaseCodec, migrationStatusCodec, STREAMS, SUBJECTS, threadEventCodec, type MigrationStatus } from '@godwit/wire';
import { jetstream } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { z } from 'zod';
import { Admission } from './admission.js';
import { NatsAgentCalls } from './agent-calls.js';
import { checkThread } from './check-thread.js';
import { refuseUnoffered } from './runtime-offers.js';
import { CommandsController } from './commands.controller.js';
import { ClusterView } from './view.js';

const config = configOrExit({
  /** `off`: threads are placed and restored, but never moved or throttled. */
  GODWIT_POLICY: z.enum(['predictive', 'reactive', 'off']).default('predictive'),
  GODWIT_HORIZON_MS: z.coerce.number().min(1_000).max(3_600_000).default(60_000),
  GODWIT_RUNNER_ENTRY: z.string().default(defaultRunnerEntry()),
  GODWIT_PLAN_MS: z.coerce.number().min(100).max(60_000).default(1_000),
  GODWIT_COOL_DOWN_MS: z.coerce.number().min(0).max(3_600_000).default(DEFAULT_PLAN_LIMITS.coolDownMs),
});
const POLICIES: Record<typeof config.GODWIT_POLICY, PlanLimits['triggers']> = {
  predictive: DEFAULT_PLAN_LIMITS.triggers, reactive: ['drain', 'failure', 'threshold'], off: [],
};
const log = createLog('migration-controller', config.GODWIT_LOG_LEVEL);
await demandDurability({ url: config.GODWIT_NATS_URL, monitorUrl: config.GODWIT_NATS_MONITOR_URL, unsafe: config.GODWIT_UNSAFE_DURABILITY });
const link = await connectNats({ url: config.GODWIT_NATS_URL, name: 'migration-controller' });
const nats = link.nc;
const replicas = config.GODWIT_REPLICAS >= 3 ? 3 : 1;
await ensureStreams(link, { replicas, registrySubjects: STREAMS.registry.subjects });
const js = jetstream(nats);
const journal = natsJournal(link, { replicas });
const owners = new Owners(journal);
const view = new ClusterView();
const programs = await openPrograms(link, { replicas });
const leases = await openLeases(link, { replicas });

function statusOf(state: MigrationState): MigrationStatus {
  const { migration, thread, source, target, phase, epoch, cause, plannedAtMs, outcome, bytes, freezeMs, sourceDigest, newEpoch, failure } = state;
  return {
    migration, thread, source, target, phase, epoch, cause: cause.slice(0, 4_000), atMs: systemClock.nowMs(), plannedAtMs,
    ...(outcome ? { outcome } : {}), ...(bytes === undefined ? {} : { sizeBytes: bytes }), ...(freezeMs === undefined ? {} : { freezeMs }),
    ...(sourceDigest ? { digestSha256: sourceDigest } : {}), ...(newEpoch === undefined ? {} : { newEpoch }),
    ...(failure ? { failureCode: failure.code, failureReason: failure.reason.slice(0, 4_000) } : {}),
  };
}
async function publishStatus(state: MigrationState): Promise<void> {
  const status = statusOf(state);
  await js.publish(SUBJECTS.migration(state.thread, state.phase), migrationStatusCodec.encode(status));
  await js.publish(SUBJECTS.migrationJson(state.thread, state.phase), JSON.stringify(migrationStatusCodec.toJson(status)));
}

const manager: ResourceManager = new ResourceManager(
  {
    journal, owners, view, clock: systemClock, timers: systemTimers, ids: randomIds, log, agents: new NatsAgentCalls(nats, log), registry: () => admission.registry,
    publishDecision: async (record) => void (await js.publish(SUBJECTS.decision((record.decision ?? record.settlement)!.thread), decisionRecordCodec.encode(record))),
    driver: { limits: DEFAULT_LIMITS, publish: publishStatus, secret: () => randomBytes(32) },
  },
  { ...DEFAULT_PLAN_LIMITS, triggers: POLICIES[config.GODWIT_POLICY], coolDownMs: config.GODWIT_COOL_DOWN_MS }, config.GODWIT_HORIZON_MS,
);
const checkProgram = checkThread(programs, config.GODWIT_RUNNER_ENTRY, (runtime) => refuseUnoffered(runtime, admission.registry.devices, view.leases));
const specs = new Map<ThreadId, Parameters<ResourceManager['retire']>[0]>();
const admission: Admission = new Admission({
  nats, log,
  checkThread: async (spec) => {
    const refusal = await checkProgram(spec);
    // Whoever hears "accepted" may write inputs at once.
    if (!refusal) await journal.ensureShard(spec.shard);
    return refusal;
  },
  onAccepted: (event) => {
    if (event.event === 'thread-registered') specs.set(event.spec.thread, event.spec);
    if (event.event !== 'thread-removed') return;
    const spec = specs.get(event.id);
    specs.delete(event.id);
    if (spec) manager.retire(spec).catch((error: Error) => log.warn({ thread: event.id, err: error }, 'not retired yet'));
  },
});

const listen = (subject: string, take: (message: Msg) => void): void =>
  void nats.subscribe(subject, { callback: (error, message) => (error ? log.warn({ subject, err: error }, 'subscription failed') : take(message)) });
listen(SUBJECTS.metrics('*'), ({ data }) => view.takeSamples(data));
listen(SUBJECTS.deviceForecast('*'), ({ data }) => view.takeForecast('device', data));
listen(SUBJECTS.threadForecast('*'), ({ data }) => view.takeForecast('thread', data));
listen(SUBJECTS.graph, ({ data }) => view.takeGraph(data));
listen(SUBJECTS.threadEvent('*'), ({ data }) => {
  const event = threadEventCodec.decode(data);
  if (!isRefusal(event)) manager.onThreadEvent(event);
});

await admission.start();
const stopWatching = await leases.watch((change) => {
  if (change.type === 'ended') return void manager.onLeaseEnded(change.device, change.reason).catch((error: Error) => log.error({ err: error }, 'restore cut short'));
  const lease = leaseCodec.decode(change.info);
  if (!isRefusal(lease)) manager.onLease(lease);
});
await runService({
  name: 'migration-controller', log, nats, admin: { host: config.GODWIT_ADMIN_HOST, port: config.GODWIT_ADMIN_PORT },
  providers: [{ provide: ResourceManager, useValue: manager }], controllers: [CommandsController],
  close: async () => {
    stopWatching();
    manager.close();
    admission.close();
  },
});
manager.start(config.GODWIT_PLAN_MS);
