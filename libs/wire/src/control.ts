/** Decisions, migrations, commands to agents, transfers and the graph on the wire. */
import { godwit } from '#generated';
import type { DecisionId, DeviceId, MigrationId, Sha256, ThreadId } from '@godwit/kernel';
import { ACTIONS, TRIGGER_NAMES, type Decision, type Settlement } from '@godwit/decision';
import {
  PHASES, type ActivateCommand, type ActivateReply, type AgentStatus, type Done, type CopyCommand, type CopyReply, type CopyReport, type FreezeCommand, type FreezeReply, type Lease, type MigrateReply, type MigrateRequest,
  type FeedCommand, type OwnershipCommand, type PrepareCommand, type PrepareReply, type RunCommand, type ShadowCommand, type ShadowStatus, type StagedCommand, type StagedReply, type ThreadEvent, type ThrottleCommand, type UnshadowCommand, type Outcome, type Phase,
} from '@godwit/migration';
import { z } from 'zod';
import { bytes, closedSet, finite, id, longText, optionalId, positive, ratio, sha256, shortText, whole } from './fields.js';
import { messageCodec } from './message-codec.js';
import { threadSpecSchema } from './registry.js';

export type {
  ActivateCommand, ActivateReply, AgentStatus, Done, CopyCommand, CopyReply, CopyReport, FreezeCommand, FreezeReply, Lease, MigrateReply, MigrateRequest, MissingRuntime, OwnershipCommand,
  FeedCommand, PrepareCommand, PrepareReply, RunCommand, ShadowCommand, ShadowStatus, StagedCommand, StagedReply, ThreadEvent, ThreadStatus, ThrottleCommand, UnshadowCommand,
} from '@godwit/migration';

const { decision: { v1: decisionV1 }, migration: { v1: migrationV1 }, agent: { v1: agentV1 }, transfer: { v1: transferV1 }, graph: { v1: graphV1 } } = godwit;
type Set<T extends string> = [T, ...T[]];
const maybe = <Inner extends z.ZodType>(inner: Inner) => z.optional(inner);
/** proto3 `optional` messages arrive as null when absent. */
const nullable = <Inner extends z.ZodType>(inner: Inner) =>
  z.codec(z.unknown().optional(), z.optional(inner), { decode: (v) => (v ?? undefined) as z.input<Inner> | undefined, encode: (v) => v as unknown });

// --- decisions ---
const verdict = z.strictObject({ plugin: shortText, score: maybe(finite), weight: maybe(finite), refusal: maybe(longText) });
const candidate = z.strictObject({ device: id<DeviceId>(), verdicts: z.array(verdict).max(64), score: maybe(finite), overloadCoreSeconds: maybe(finite) });
const decisionSchema = z.codec(
  z.strictObject({
    decision: id<DecisionId>(), thread: id<ThreadId>(), atMs: finite, action: closedSet('ACTION', ACTIONS as Set<Decision['action']>),
    trigger: closedSet('TRIGGER', TRIGGER_NAMES as Set<Decision['trigger']>), source: optionalId<DeviceId>(), target: optionalId<DeviceId>(), throttleCores: maybe(finite),
    reason: longText, expectedGainCoreSeconds: finite, costCoreSeconds: finite, overloadInMs: maybe(finite), riskRatio: ratio, expectedFreezeMs: maybe(finite),
    candidates: z.array(candidate).max(10_000),
  }),
  z.custom<Decision>(),
  { decode: ({ riskRatio, ...rest }) => ({ ...rest, risk: riskRatio }) as unknown as Decision, encode: ({ risk, ...rest }) => ({ ...rest, riskRatio: risk }) as never },
);
const settlementSchema = z.strictObject({
  decision: id<DecisionId>(), thread: id<ThreadId>(), settledAtMs: finite, expectedGainCoreSeconds: finite, realisedGainCoreSeconds: finite,
  verdict: closedSet('SETTLEMENT_VERDICT', ['helped', 'useless', 'harmful']), note: longText,
}) as unknown as z.ZodType<Settlement, unknown>;
export interface DecisionRecord {
  readonly decision?: Decision;
  readonly settlement?: Settlement;
}
export const decisionRecordCodec = messageCodec<DecisionRecord>('DecisionRecord', decisionV1.DecisionRecord,
  z.strictObject({ decision: nullable(decisionSchema), settlement: nullable(settlementSchema) }) as unknown as z.ZodType<DecisionRecord, unknown>);

// --- migrations ---
export interface MigrationStatus {
  readonly migration: MigrationId;
  readonly thread: ThreadId;
  readonly source: DeviceId;
  readonly target: DeviceId;
  readonly phase: Phase;
  readonly epoch: number;
  readonly cause: string;
  readonly atMs: number;
  readonly plannedAtMs: number;
  readonly outcome?: Outcome;
  readonly sizeBytes?: number;
  readonly freezeMs?: number;
  readonly digestSha256?: Sha256;
  readonly newEpoch?: number;
  readonly failureCode?: string;
  readonly failureReason?: string;
}
export const migrationStatusCodec = messageCodec<MigrationStatus>('MigrationStatus', migrationV1.MigrationStatus, z.strictObject({
  migration: id<MigrationId>(), thread: id<ThreadId>(), source: id<DeviceId>(), target: id<DeviceId>(), phase: closedSet('PHASE', PHASES as Set<Phase>), epoch: positive,
  cause: longText, atMs: finite, plannedAtMs: finite, outcome: maybe(closedSet('OUTCOME', ['committed', 'rolled-back', 'failed-over'])), sizeBytes: maybe(whole),
  freezeMs: maybe(finite), digestSha256: maybe(sha256), newEpoch: maybe(positive), failureCode: maybe(shortText), failureReason: maybe(longText),
}) as unknown as z.ZodType<MigrationStatus, unknown>);
export const migrateRequestCodec = messageCodec<MigrateRequest>('MigrateRequest', migrationV1.MigrateRequest, z.strictObject({ thread: id<ThreadId>(), target: id<DeviceId>(), note: longText.default(''), force: maybe(z.boolean()) }) as unknown as z.ZodType<MigrateRequest, unknown>);
export const migrateReplyCodec = messageCodec<MigrateReply>('MigrateReply', migrationV1.MigrateReply, z.strictObject({ migration: maybe(shortText), code: maybe(shortText), reason: maybe(longText), field: maybe(shortText) }) as unknown as z.ZodType<MigrateReply, unknown>);

// --- agents ---
const key = bytes(64);
const thread = id<ThreadId>();
const migration = id<MigrationId>();
const port = z.int().min(0).max(65_535);


const codec = <Core>(name: string, generated: unknown, shape: z.ZodRawShape) => messageCodec<Core>(name, generated, z.strictObject(shape) as unknown as z.ZodType<Core, unknown>);
export const runCommandCodec = codec<RunCommand>('RunCommand', agentV1.RunCommand, { spec: threadSpecSchema, epoch: positive, ownSeq: positive, checkpoint: whole });
export const prepareCommandCodec = codec<PrepareCommand>('PrepareCommand', agentV1.PrepareCommand, { migration, spec: threadSpecSchema, epoch: positive, transferKey: key, expectedCores: finite });
export const prepareReplyCodec = codec<PrepareReply>('PrepareReply', agentV1.PrepareReply, { bulkHost: shortText, bulkPort: port });
export const copyCommandCodec = codec<CopyCommand>('CopyCommand', agentV1.CopyCommand, { migration, thread, epoch: positive, bulkHost: shortText, bulkPort: port, transferKey: key, freezeBudgetMs: finite });
export const copyReplyCodec = codec<CopyReply>('CopyReply', agentV1.CopyReply, { rounds: whole, imageBytes: whole, wireBytes: whole });
export const copyReportCodec = codec<CopyReport>('CopyReport', agentV1.CopyReport, {
  migration, thread, device: id<DeviceId>(), state: shortText, rounds: whole, imageBytes: whole, wireBytes: whole, dirtyBytes: whole, bytesPerSecond: finite, dirtyBytesPerSecond: finite, dutyRatio: finite,
  forecastFreezeMs: maybe(finite), reason: maybe(longText),
});
export const freezeCommandCodec = codec<FreezeCommand>('FreezeCommand', agentV1.FreezeCommand, { migration, thread, epoch: positive });
export const freezeReplyCodec = codec<FreezeReply>('FreezeReply', agentV1.FreezeReply, { digestSha256: z.string(), sizeBytes: whole, frozenMonotonicMs: finite, bootId: shortText });
export const stagedCommandCodec = codec<StagedCommand>('StagedCommand', agentV1.StagedCommand, { migration, thread });
export const stagedReplyCodec = codec<StagedReply>('StagedReply', agentV1.StagedReply, { digestSha256: z.string() });
export const activateCommandCodec = codec<ActivateCommand>('ActivateCommand', agentV1.ActivateCommand, { migration, thread, epoch: positive, ownSeq: positive, checkpoint: whole });
export const activateReplyCodec = codec<ActivateReply>('ActivateReply', agentV1.ActivateReply, { runningMonotonicMs: finite, bootId: shortText });
export const ownershipCommandCodec = codec<OwnershipCommand>('OwnershipCommand', agentV1.OwnershipCommand, { thread, epoch: positive, ownSeq: whole, migration: z.string().default('') });
export const throttleCommandCodec = codec<ThrottleCommand>('ThrottleCommand', agentV1.ThrottleCommand, { thread, cpuCores: z.number().min(0).max(4096) });
export const doneCodec = codec<Done>('Done', agentV1.Done, {});
export const shadowCommandCodec = codec<ShadowCommand>('ShadowCommand', agentV1.ShadowCommand, { shadow: id<MigrationId>(), spec: threadSpecSchema, source: id<DeviceId>(), epoch: positive, transferKey: key });
export const feedCommandCodec = codec<FeedCommand>('FeedCommand', agentV1.FeedCommand, { shadow: id<MigrationId>(), thread, epoch: positive, target: id<DeviceId>(), bulkHost: shortText, bulkPort: port, transferKey: key, checkpointMs: z.number().min(10).max(86_400_000) });
export const unshadowCommandCodec = codec<UnshadowCommand>('UnshadowCommand', agentV1.UnshadowCommand, { shadow: shortText, thread });
const shadowStatus = {
  thread, shadow: shortText, device: id<DeviceId>(), source: id<DeviceId>(), epoch: whole, state: z.enum(['waiting', 'following', 'cut-off']), checkpoint: whole, digestSha256: z.union([z.literal(''), sha256]),
  cursorSeq: whole, outN: whole, lagMs: finite, stateBytes: whole,
};
export const shadowStatusCodec = codec<ShadowStatus>('ShadowStatus', agentV1.ShadowStatus, shadowStatus);
export const agentStatusCodec = codec<AgentStatus>('StatusReply', agentV1.StatusReply, {
  device: id<DeviceId>(), enforcement: shortText, missing: z.array(longText), refusedAppends: whole, bootId: shortText, pid: whole,
  threads: z.array(z.strictObject({ thread, epoch: whole, state: shortText, outN: whole, cursorSeq: whole, refusedAppends: whole, fault: longText, checkpoint: whole,
    startedFrom: z.enum(['', 'copy', 'shadow', 'checkpoint', 'beginning']), feeds: shortText })),
  shadows: z.array(z.strictObject(shadowStatus)),
});
export const leaseCodec = codec<Lease>('Lease', agentV1.Lease, { device: id<DeviceId>(), bootId: shortText, instance: shortText, renewedAtMs: finite, bulkHost: shortText, bulkPort: port,
  missingRuntimes: maybe(z.array(z.strictObject({ runtime: shortText, reason: longText })).max(8)),
});
export const threadEventCodec = codec<ThreadEvent>('ThreadEvent', agentV1.ThreadEvent, { device: id<DeviceId>(), thread, epoch: whole, kind: z.enum(['exited', 'faulted', 'fenced']), code: shortText, reason: longText, atMs: finite });

// --- transfers ---
export interface GrantRequest { readonly thread: ThreadId; readonly device: DeviceId; readonly epoch: number }
export const grantRequestCodec = codec<GrantRequest>('GrantRequest', transferV1.GrantRequest, { thread, device: id<DeviceId>(), epoch: positive });
export interface GrantReply { readonly granted: boolean; readonly reason: string }
export const grantReplyCodec = codec<GrantReply>('GrantReply', transferV1.GrantReply, { granted: z.boolean(), reason: longText });
export interface PathRequest { readonly source: DeviceId; readonly target: DeviceId; readonly sizeBytes: number }
export const pathRequestCodec = codec<PathRequest>('PathRequest', transferV1.PathRequest, { source: id<DeviceId>(), target: id<DeviceId>(), sizeBytes: whole });
export interface PathReply { readonly path: 'same-host' | 'same-rack' | 'routed'; readonly expectedMs: number; readonly limitBytesPerSecond: number; readonly waitMs: number }
export const pathReplyCodec = codec<PathReply>('PathReply', transferV1.PathReply, { path: z.enum(['same-host', 'same-rack', 'routed']), expectedMs: finite, limitBytesPerSecond: finite, waitMs: finite });

// --- graph ---
export interface EdgeMessage { readonly producer: ThreadId; readonly consumer: ThreadId; readonly recordsPerSecond: number; readonly bytesPerSecond: number; readonly declared: boolean; readonly lastSeenMs: number }
export interface GraphMessage { readonly atMs: number; readonly edges: readonly EdgeMessage[] }
const graphSchema = z.strictObject({
  atMs: finite, edges: z.array(z.strictObject({ producer: thread, consumer: thread, recordsPerSecond: finite, bytesPerSecond: finite, declared: z.boolean(), lastSeenMs: finite })),
});
export const graphCodec = messageCodec<GraphMessage>('Graph', graphV1.Graph, graphSchema as unknown as z.ZodType<GraphMessage, unknown>);
export interface GraphQuery { readonly thread: string }
export const graphQueryCodec = codec<GraphQuery>('GraphQuery', graphV1.GraphQuery, { thread: z.union([z.literal(''), thread]).default('') });
export interface GraphAnswer { readonly graph: GraphMessage; readonly dependents: readonly string[]; readonly criticalPath: readonly string[] }
export const graphAnswerCodec = codec<GraphAnswer>('GraphAnswer', graphV1.GraphAnswer, { graph: graphSchema, dependents: z.array(z.string()), criticalPath: z.array(z.string()) });
