/** Registration events on the wire. What one message alone can get wrong is refused here; what depends on the registry, in its fold. */
import { godwit } from '#generated';
import { refuse, type ApplicationId, type DeviceId, type Refusal, type ShardId, type ThreadId } from '@godwit/kernel';
import {
  DEVICE_KINDS, EVENT_NAMES, SHADOW_PLACEMENTS, SHADOW_POLICIES, type ApplicationSpec, type DeviceSpec, type EventName, type LoadForecastSpec, type MaintenanceSpec,
  type RegistryEvent, type ReservationSpec, type ShadowPlacement, type ShadowPolicy, type ThreadSpec,
} from '@godwit/registry';
import { z } from 'zod';
import { closedSet, defaulted, finite, id, longText, nonNegative, maybeMessage, optionalId, optionalMessage, sha256, shortText, whole } from './fields.js';
import { messageCodec, type MessageCodec } from './message-codec.js';
import { runtimeKind } from './journal.js';

const v1 = godwit.registry.v1;
const MIB = 1024 * 1024;
const text = defaulted(shortText, '');
const stringMap = (most: number) => defaulted(z.record(z.string().max(128), z.string().max(4096)).refine((map) => Object.keys(map).length <= most, `at most ${most} entries`), {});
const ids = <Id extends string>(most: number) => defaulted(z.array(id<Id>()).max(most), []);

const goals = z.strictObject({
  responseMsP99: z.optional(z.number().min(1).max(86_400_000)),
  freezeBudgetMs: z.optional(z.number().min(1).max(86_400_000)),
});

export const deviceSpecCodec = messageCodec<DeviceSpec>('DeviceSpec', v1.DeviceSpec, z.strictObject({
  device: id<DeviceId>(),
  kind: defaulted(closedSet('DEVICE_KIND', DEVICE_KINDS as ['cpu', 'gpu', 'fpga', 'asic']), 'cpu'),
  cpuCores: z.number().positive('must be above 0').max(4096),
  memoryBytes: z.int().min(MIB, 'must be at least 1 MiB').max(2 ** 50),
  place: optionalMessage(z.strictObject({ pop: text, rack: text, subnet: text })),
  pricePerHour: defaulted(nonNegative, 0),
  idleWatts: defaulted(nonNegative, 0),
  busyWatts: defaulted(nonNegative, 0),
  numaNodes: defaulted(z.int().min(1).max(1024), 1),
  runtimes: defaulted(z.array(runtimeKind).min(1).max(3), ['wasm', 'task']),
  labels: stringMap(64),
}) as unknown as z.ZodType<DeviceSpec, unknown>);

export const applicationSpecCodec = messageCodec<ApplicationSpec>('ApplicationSpec', v1.ApplicationSpec, z.strictObject({
  application: id<ApplicationId>(), description: defaulted(longText, ''), goals: optionalMessage(goals),
}) as unknown as z.ZodType<ApplicationSpec, unknown>);

const affinity = z.strictObject({
  devices: ids<DeviceId>(1024), avoidDevices: ids<DeviceId>(1024), nearThreads: ids<ThreadId>(1024), apartFromThreads: ids<ThreadId>(1024),
  pinned: defaulted(z.boolean(), false),
});
const limits = z.strictObject({
  memoryBytes: defaulted(z.int().min(65_536).max(2 ** 32), 64 * MIB),
  stackBytes: defaulted(z.int().min(4096).max(256 * MIB), MIB),
  tableEntries: defaulted(z.int().min(1).max(10_000_000), 65_536),
  safepointMs: defaulted(z.number().min(1).max(600_000), 5_000),
  cpuCores: defaulted(z.number().positive().max(4096), 1),
});

const shadow = z.strictObject({
  policy: defaulted(closedSet('SHADOW_POLICY', SHADOW_POLICIES as [ShadowPolicy, ...ShadowPolicy[]]), 'none'),
  lagLimitMs: defaulted(z.number().min(50, 'must be 50 to 60000').max(60_000, 'must be 50 to 60000'), 1_000),
  placement: defaulted(closedSet('SHADOW_PLACEMENT', SHADOW_PLACEMENTS as [ShadowPlacement, ...ShadowPlacement[]]), 'other-rack'),
  device: optionalId<DeviceId>(),
}).refine(({ placement, device }) => (placement === 'named') === (device !== undefined), { path: ['device'], error: 'is needed with placement named, and with no other' });

/** The shard of a thread defaults to its application, whose id stands in the same message. */
const threadSchema = z.strictObject({
  thread: id<ThreadId>(), application: id<ApplicationId>(), shard: defaulted(z.union([id<ShardId>(), z.literal('')]), ''), task: optionalId<string>(),
  runtime: runtimeKind, programSha256: sha256, args: defaulted(z.array(longText).max(256), []), env: stringMap(256),
  seed: defaulted(z.int().min(0).max(0xffff_ffff), 1), subscribes: ids<ThreadId>(256), deterministic: defaulted(z.boolean(), true),
  tickMs: defaulted(z.union([z.literal(0), z.number().min(10).max(86_400_000)]), 0), checkpointMs: defaulted(z.number().min(100).max(86_400_000), 5_000),
  limits: optionalMessage(limits), goals: optionalMessage(goals), affinity: optionalMessage(affinity), shadow: maybeMessage(shadow), expectedCores: defaulted(z.number().min(0).max(4096), 0.05),
});
export const threadSpecSchema = z.codec(threadSchema, z.custom<ThreadSpec>(), {
  decode: ({ programSha256, shard, ...rest }) => ({ ...rest, shard: shard === '' ? rest.application : shard, program: programSha256 }) as unknown as ThreadSpec,
  encode: ({ program, ...rest }) => ({ ...rest, programSha256: program }) as never,
});
export const threadSpecCodec = messageCodec<ThreadSpec>('ThreadSpec', v1.ThreadSpec, threadSpecSchema as unknown as z.ZodType<ThreadSpec, unknown>);

const interval = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject({ ...shape, fromMs: finite, toMs: finite }).refine((given) => (given as { toMs: number }).toMs > (given as { fromMs: number }).fromMs, { path: ['toMs'], error: 'must be after fromMs' });
export const reservationCodec = messageCodec<ReservationSpec>('ReservationSpec', v1.ReservationSpec,
  interval({ reservation: id<string>(), device: id<DeviceId>(), cpuCores: z.number().positive().max(4096), note: defaulted(longText, '') }) as unknown as z.ZodType<ReservationSpec, unknown>);
export const loadForecastCodec = messageCodec<LoadForecastSpec>('LoadForecastSpec', v1.LoadForecastSpec,
  interval({ forecast: id<string>(), thread: id<ThreadId>(), cpuCores: z.number().positive().max(4096) }) as unknown as z.ZodType<LoadForecastSpec, unknown>);
export const maintenanceCodec = messageCodec<MaintenanceSpec>('MaintenanceSpec', v1.MaintenanceSpec,
  interval({ maintenance: id<string>(), device: id<DeviceId>(), note: defaulted(longText, '') }) as unknown as z.ZodType<MaintenanceSpec, unknown>);
const removalCodec = messageCodec<{ id: string }>('Removal', v1.Removal, z.strictObject({ id: id<string>() }));

interface EventKind {
  readonly codec: MessageCodec<never>;
  /** The id that the subject must end in. */
  idOf(spec: never): string;
  toEvent(spec: never): RegistryEvent;
  fromEvent(event: never): unknown;
}
const withSpec = <Spec>(event: EventName, codec: MessageCodec<Spec>, idOf: (spec: Spec) => string): EventKind => ({
  codec: codec as unknown as MessageCodec<never>, idOf: idOf as never,
  toEvent: (spec) => ({ event, spec }) as unknown as RegistryEvent, fromEvent: (e: { spec: unknown }) => e.spec,
} as EventKind);
const removal = (event: EventName): EventKind => ({
  codec: removalCodec as unknown as MessageCodec<never>, idOf: ((spec: { id: string }) => spec.id) as never,
  toEvent: ((spec: { id: string }) => ({ event, id: spec.id })) as never, fromEvent: ((e: { id: string }) => ({ id: e.id })) as never,
});

const KINDS: Readonly<Record<EventName, EventKind>> = {
  'device-registered': withSpec('device-registered', deviceSpecCodec, (s) => s.device),
  'device-removed': removal('device-removed'),
  'application-registered': withSpec('application-registered', applicationSpecCodec, (s) => s.application),
  'thread-registered': withSpec('thread-registered', threadSpecCodec, (s) => s.thread),
  'thread-removed': removal('thread-removed'),
  'reservation-registered': withSpec('reservation-registered', reservationCodec, (s) => s.reservation),
  'load-forecast-registered': withSpec('load-forecast-registered', loadForecastCodec, (s) => s.forecast),
  'maintenance-registered': withSpec('maintenance-registered', maintenanceCodec, (s) => s.maintenance),
};

export const isEventName = (name: string): name is EventName => (EVENT_NAMES as readonly string[]).includes(name);
export const eventId = (event: RegistryEvent): string => KINDS[event.event].idOf(KINDS[event.event].fromEvent(event as never) as never);
export const encodeEvent = (event: RegistryEvent): Uint8Array => KINDS[event.event].codec.encode(KINDS[event.event].fromEvent(event as never) as never);

/** @param json true when the message came with `Content-Type: application/json`. @param subjectId the subject's last token. */
export function decodeEvent(name: string, bytes: Uint8Array, options: { json: boolean; subjectId?: string }): RegistryEvent | Refusal {
  if (!isEventName(name)) return refuse('unknown-event', `no registration event is called ${JSON.stringify(name.slice(0, 80))}; there are ${EVENT_NAMES.join(', ')}`);
  const kind = KINDS[name];
  let spec: unknown;
  if (options.json) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (cause) {
      return refuse('malformed-message', `${name}: not JSON (${(cause as Error).message})`);
    }
    spec = kind.codec.fromJson(parsed);
  } else spec = kind.codec.decode(bytes);
  if (typeof spec === 'object' && spec !== null && 'refused' in spec) return spec as Refusal;
  const specId = kind.idOf(spec as never);
  if (options.subjectId !== undefined && options.subjectId !== specId) {
    return refuse('invalid-field', `${name}: the subject ends in ${options.subjectId}, but the message is about ${specId}`, 'id');
  }
  return kind.toEvent(spec as never);
}

export interface RegistryVerdict {
  readonly eventSeq: number;
  readonly event: string;
  readonly id: string;
  readonly accepted: boolean;
  readonly code: string;
  readonly field: string;
  readonly reason: string;
}
export const verdictCodec = messageCodec<RegistryVerdict>('Verdict', v1.Verdict, z.strictObject({
  eventSeq: whole, event: z.string(), id: z.string(), accepted: z.boolean(), code: z.string(), field: z.string(), reason: z.string(),
}));
