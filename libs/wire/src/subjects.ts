/** Every subject, stream and bucket that is not the journal's, in one place. Ids are single tokens by their form. */
import type { DeviceId, ThreadId } from '@godwit/kernel';
import { EVENT_NAMES } from '@godwit/registry';

export const SUBJECTS = {
  metrics: (device: DeviceId | '*') => `godwit.metrics.${device}`,
  trace: (device: DeviceId | '*') => `godwit.trace.${device}`,
  deviceForecast: (device: string) => `godwit.forecast.device.${device}`,
  threadForecast: (thread: string) => `godwit.forecast.thread.${thread}`,
  /** Forecasts of a device's other resources, such as `memory.bytes` or `gpu.0.utilisation_ratio`: apart, so that whoever decides on CPU demand need not read them. */
  resourceForecast: (device: string, resource: string) => `godwit.forecast.device.${device}.${resource}`,
  /** What settled decisions say of a device's forecasts. */
  forecastFeedback: (device: string) => `godwit.forecast-feedback.${device}`,
  registryEvent: (event: string, id: string) => `godwit.registry.${event}.${id}`,
  registryAll: 'godwit.registry.>',
  registryAccepted: (event: string) => `godwit.registry.accepted.${event}`,
  registryRejected: (event: string) => `godwit.registry.rejected.${event}`,
  /** Admission verdicts, kept in the stream beside their events; create-only by the event's sequence. */
  registryVerdict: (eventSeq: number | '*') => `godwit.registry.verdict.${eventSeq}`,
  migration: (thread: string, phase: string) => `godwit.migration.${thread}.${phase}`,
  migrationJson: (thread: string, phase: string) => `godwit.migration.${thread}.${phase}.json`,
  decision: (thread: string) => `godwit.decision.${thread}`,
  history: (kind: 'device' | 'thread', id: string) => `godwit.history.${kind}.${id}`,
  agentCommand: (device: DeviceId | string, command: string) => `godwit.agent.${device}.${command}`,
  /** After each round of a copy; progress is for whoever looks, and in no stream. */
  copyReport: (thread: ThreadId | '*') => `godwit.copy.${thread}`,
  /** What a shadow holds, every second; for whoever looks, and in no stream. */
  shadow: (thread: ThreadId | '*') => `godwit.shadow.${thread}`,
  threadEvent: (device: DeviceId | '*') => `godwit.agent-event.${device}`,
  /** A request to a thread, answered by the gateway with the first output that it causes. */
  request: (thread: ThreadId | '*') => `godwit.request.${thread}`,
  migrate: 'godwit.controller.migrate',
  transferGrant: 'godwit.transfer.grant',
  transferPath: 'godwit.transfer.path',
  graph: 'godwit.graph.snapshot',
  graphQuery: 'godwit.graph.query',
  /** The gateway's high-water mark per shard, for purging. */
  released: (shard: string) => `godwit.released.${shard}`,
} as const;

export const STREAMS = {
  registry: { name: 'GODWIT_REGISTRY', subjects: [...EVENT_NAMES.map((event) => `godwit.registry.${event}.*`), 'godwit.registry.verdict.*'] },
  migrations: { name: 'GODWIT_MIGRATIONS', subjects: ['godwit.migration.>'] },
  decisions: { name: 'GODWIT_DECISIONS', subjects: ['godwit.decision.*'] },
  history: { name: 'GODWIT_HISTORY', subjects: ['godwit.history.>'] },
} as const;
export const BUCKETS = { leases: 'GODWIT_LEASES', programs: 'GODWIT_PROGRAMS' } as const;
export const JSON_CONTENT_TYPE = 'application/json';
export const agentCommands = ['run', 'prepare', 'copy', 'freeze', 'await-staged', 'activate', 'thaw', 'retire', 'throttle', 'shadow', 'feed', 'unshadow', 'status'] as const;
export type AgentCommand = (typeof agentCommands)[number];
/** @see ThreadId: a thread's own id is its last token everywhere. */
export const threadOf = (subject: string): ThreadId => subject.split('.')[2] as ThreadId;

/** Version of the instrumentation; a new one makes new derived objects beside the old. */
export const MIGRATABLE_VERSION = 3;
/** Name of the instrumented module in the object store. Limits are part of it, since they are written into the module. */
export const migratableName = (limits: { readonly memoryBytes: number; readonly stackBytes: number; readonly tableEntries: number }): string =>
  `migratable-v${MIGRATABLE_VERSION}-${limits.memoryBytes}-${limits.stackBytes}-${limits.tableEntries}`;
