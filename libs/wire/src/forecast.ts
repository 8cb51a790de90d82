/** Forecasts, what settled decisions say of them, and the traces from which behaviour is learnt, on the wire. */
import { godwit } from '#generated';
import type { DecisionId, DeviceId, DurationMs, InstantMs, ThreadId } from '@godwit/kernel';
import { z } from 'zod';
import { closedSet, finite, id, longText, ratio, shortText, whole } from './fields.js';
import { messageCodec } from './message-codec.js';

const { forecast: { v1: forecastV1 }, trace: { v1: traceV1 } } = godwit;
const maybe = <Inner extends z.ZodType>(inner: Inner) => z.optional(inner);
/** proto3 `optional` messages arrive as null when absent, repeated ones as an empty list: here both are absent. */
const absentOr = <Inner extends z.ZodType>(inner: Inner) =>
  z.codec(z.unknown().optional(), z.optional(inner), {
    decode: (given) => (given === null || (Array.isArray(given) && given.length === 0) ? undefined : given) as z.input<Inner> | undefined, encode: (value) => value as unknown,
  });
const codec = <Core>(name: string, generated: unknown, shape: z.ZodRawShape) => messageCodec<Core>(name, generated, z.strictObject(shape) as unknown as z.ZodType<Core, unknown>);

// --- forecasts ---
export interface ModelRecord { readonly model: string; readonly weightRatio: number; readonly pinballLoss: number }
export interface FailureCauseMessage { readonly cause: string; readonly probabilityRatio: number; readonly detail: string }
export interface NextPhaseMessage { readonly phase: number; readonly label: string; readonly probabilityRatio: number; readonly inMsP10?: DurationMs; readonly inMsP50?: DurationMs; readonly inMsP90?: DurationMs }
export interface PhaseMessage { readonly phase: number; readonly label: string; readonly probabilityRatio: number; readonly count: number; readonly ageMs: DurationMs; readonly next?: NextPhaseMessage }
export interface PerformanceMessage {
  readonly device: string; readonly utilisationRatio: number; readonly latencyMsP50?: DurationMs; readonly latencyMsP99?: DurationMs; readonly throughputPerSecond?: number;
  readonly basis: 'device' | 'kind' | 'other'; readonly readings: number;
}
/** See `proto/godwit/forecast/v1/forecast.proto` for the meaning of each field. */
export interface ForecastMessage {
  readonly id: string; readonly resource: string; readonly unit: string; readonly issuedAtMs: InstantMs; readonly stepMs: DurationMs;
  readonly levels: readonly number[]; readonly values: readonly number[]; readonly models: readonly ModelRecord[];
  readonly demandNow: number; readonly capacity?: number; readonly riskRatio?: number; readonly riskThresholdRatio?: number;
  readonly overloadInMs?: DurationMs; readonly overloadInMsP10?: DurationMs; readonly overloadInMsP90?: DurationMs; readonly observations: number;
  readonly failureRatio?: number; readonly failureCauses?: readonly FailureCauseMessage[]; readonly phase?: PhaseMessage; readonly performance?: readonly PerformanceMessage[];
}
const modelRecord = z.strictObject({ model: shortText, weightRatio: finite, pinballLoss: finite });
const nextPhase = z.strictObject({ phase: whole, label: shortText, probabilityRatio: ratio, inMsP10: maybe(finite), inMsP50: maybe(finite), inMsP90: maybe(finite) });
const performance = z.strictObject({
  device: id<string>(), utilisationRatio: finite, latencyMsP50: maybe(finite), latencyMsP99: maybe(finite), throughputPerSecond: maybe(finite),
  basis: z.enum(['device', 'kind', 'other']), readings: finite,
});
export const forecastCodec = codec<ForecastMessage>('Forecast', forecastV1.Forecast, {
  id: id<string>(), resource: shortText, unit: shortText, issuedAtMs: finite, stepMs: z.number().positive(), levels: z.array(ratio).max(99), values: z.array(finite).max(1_000_000),
  models: z.array(modelRecord).max(64), demandNow: finite, capacity: maybe(finite), riskRatio: maybe(ratio), riskThresholdRatio: maybe(ratio),
  overloadInMs: maybe(finite), overloadInMsP10: maybe(finite), overloadInMsP90: maybe(finite), observations: whole,
  failureRatio: maybe(ratio), failureCauses: absentOr(z.array(z.strictObject({ cause: shortText, probabilityRatio: ratio, detail: longText })).max(64)),
  phase: absentOr(z.strictObject({ phase: whole, label: shortText, probabilityRatio: ratio, count: whole, ageMs: finite, next: absentOr(nextPhase) })),
  performance: absentOr(z.array(performance).max(64)),
});
/** As `forecastCodec.encode`, without a check of what is our own: five hundred numbers a message, thousands of messages a second. */
export const encodeForecast = (forecast: ForecastMessage): Uint8Array => forecastV1.Forecast.encode(forecast as never).finish();

// --- what settled decisions say of forecasts ---
export interface FeedbackMessage {
  readonly decision: DecisionId; readonly thread: ThreadId; readonly device: DeviceId; readonly deviceKind: string; readonly resource: string;
  readonly issuedAtMs: InstantMs; readonly horizonMs: DurationMs; readonly riskRatio: number; readonly overloadInMs?: DurationMs; readonly models: readonly ModelRecord[];
  readonly settledAtMs: InstantMs; readonly expectedGainCoreSeconds: number; readonly realisedGainCoreSeconds: number; readonly verdict: 'helped' | 'useless' | 'harmful'; readonly action: 'migrate' | 'keep';
}
export const feedbackCodec = codec<FeedbackMessage>('Feedback', forecastV1.Feedback, {
  decision: id<DecisionId>(), thread: id<ThreadId>(), device: id<DeviceId>(), deviceKind: shortText, resource: shortText, issuedAtMs: finite, horizonMs: finite, riskRatio: ratio,
  overloadInMs: maybe(finite), models: z.array(modelRecord).max(64), settledAtMs: finite, expectedGainCoreSeconds: finite, realisedGainCoreSeconds: finite,
  verdict: closedSet('FEEDBACK_VERDICT', ['helped', 'useless', 'harmful']), action: z.enum(['migrate', 'keep']),
});

// --- traces ---
export interface TraceBatch {
  readonly device: DeviceId; readonly atMs: InstantMs; readonly spanMs: DurationMs;
  readonly threads: readonly { readonly thread: ThreadId; readonly counters: readonly { readonly name: string; readonly count: number }[] }[];
  readonly edges: readonly { readonly producer: ThreadId; readonly consumer: ThreadId; readonly records: number; readonly sizeBytes: number }[];
}
const thread = id<ThreadId>();
export const traceBatchCodec = codec<TraceBatch>('TraceBatch', traceV1.TraceBatch, {
  device: id<DeviceId>(), atMs: finite, spanMs: finite,
  threads: z.array(z.strictObject({ thread, counters: z.array(z.strictObject({ name: shortText, count: whole })).max(4096) })).max(100_000),
  edges: z.array(z.strictObject({ producer: thread, consumer: thread, records: whole, sizeBytes: whole })).max(100_000),
});
