/** What the API takes and gives, in its JSON mapping: ids and hashes are text, bytes are base64. */
import type { Code } from '@godwit/kernel';
import type {
  applicationSpecCodec, DecisionRecord, deviceSpecCodec, ForecastMessage, GraphAnswer, loadForecastCodec, maintenanceCodec, MessageCodec, MigrationStatus, reservationCodec, threadSpecCodec,
} from '@godwit/wire';

type CoreOf<Codec> = Codec extends MessageCodec<infer Core> ? Core : never;
/** A branded id is text outside; closed sets stay what they are: a brand is one more key. */
type Plain<T> =
  T extends string ? (keyof T extends keyof string ? T : string)
  : T extends number | boolean | undefined ? T
  : T extends readonly (infer Item)[] ? readonly Plain<Item>[]
  : T extends object ? { readonly [Key in keyof T]: Plain<T[Key]> }
  : T;
/** What may be left out when registering: all but these fields, and all fields of nested messages. */
type Given<T, Needed extends keyof T> = { readonly [Key in Needed]: T[Key] } & { readonly [Key in Exclude<keyof T, Needed>]?: T[Key] extends readonly unknown[] ? T[Key] : T[Key] extends object ? Partial<T[Key]> : T[Key] };

export type DeviceSpec = Plain<CoreOf<typeof deviceSpecCodec>>;
export type ApplicationSpec = Plain<CoreOf<typeof applicationSpecCodec>>;
type CoreThreadSpec = Plain<CoreOf<typeof threadSpecCodec>>;
export type ThreadSpec = Omit<CoreThreadSpec, 'program'> & { readonly programSha256: string };
export type Reservation = Plain<CoreOf<typeof reservationCodec>>;
export type LoadForecast = Plain<CoreOf<typeof loadForecastCodec>>;
export type Maintenance = Plain<CoreOf<typeof maintenanceCodec>>;

export type NewDevice = Given<DeviceSpec, 'device' | 'cpuCores' | 'memoryBytes'>;
export type NewApplication = Given<ApplicationSpec, 'application'>;
export type NewThread = Given<ThreadSpec, 'thread' | 'application' | 'runtime' | 'programSha256'>;
export type NewReservation = Given<Reservation, 'reservation' | 'device' | 'cpuCores' | 'fromMs' | 'toMs'>;
export type NewMaintenance = Given<Maintenance, 'maintenance' | 'device' | 'fromMs' | 'toMs'>;

export interface LastSamples {
  readonly atMs: number;
  readonly device: string;
  /** Metric to newest value; units stand in the metric's name. */
  readonly values: Readonly<Record<string, number>>;
}
export interface ForecastSummary {
  readonly resource: string;
  readonly unit: string;
  readonly issuedAtMs: number;
  readonly demandNow: number;
  readonly capacity?: number;
  /** Probability that demand passes capacity within the horizon, 0..1. */
  readonly riskRatio?: number;
  readonly overloadInMs?: number;
  /** Of a device: probability that it fails within the horizon, 0..1. */
  readonly failureRatio?: number;
  /** Of a thread: the phase of its behaviour, by the site that dominates it. */
  readonly phase?: string;
}
export type Device = DeviceSpec & { readonly threads: readonly string[]; readonly samples: LastSamples | null; readonly forecasts: readonly ForecastSummary[] };
export type Application = ApplicationSpec & { readonly threads: readonly string[] };
export interface ThreadOwner {
  readonly device: string;
  readonly epoch: number;
  readonly reason: string;
  readonly sinceMs: number;
  readonly checkpoint: number;
  readonly note: string;
}
export type Thread = ThreadSpec & {
  readonly state: 'waiting' | 'running' | 'migrating' | 'faulted' | 'ended';
  readonly fault: { readonly code: string; readonly reason: string; readonly atMs: number } | null;
  readonly owner: ThreadOwner | null;
  readonly migration: { readonly migration: string; readonly phase: string; readonly source: string; readonly target: string } | null;
  /** Its standby; null while there is none. `lagMs`: since what it holds was known to be current. */
  readonly shadowStatus: { readonly device: string; readonly state: 'waiting' | 'following' | 'cut-off'; readonly checkpoint: number; readonly lagMs: number; readonly stateBytes: number } | null;
  readonly samples: LastSamples | null;
  readonly forecasts: readonly ForecastSummary[];
};
/** Exactly one of `payload` (base64), `text` and `json`. */
export type InputMessage = { readonly kind?: string } & ({ readonly payload: string } | { readonly text: string } | { readonly json: unknown });
export interface InputReceipt {
  readonly requestId: string;
  readonly seq: number;
  readonly duplicate: boolean;
}
/** What came of a request; the same however often it is asked with the same id. */
export interface RequestAnswer extends InputReceipt {
  /** The first output that the request caused; null when the thread took it and put out nothing for it. */
  readonly answer: Output | null;
}
export interface Output {
  readonly n: number;
  readonly seq: number;
  readonly atMs: number;
  readonly epoch: number;
  readonly causedBySeq: number;
  readonly originMs: number;
  /** `text` is there when the payload is valid UTF-8. */
  readonly messages: readonly { readonly kind: string; readonly payload: string; readonly text?: string }[];
  readonly exit?: { readonly code: number };
  readonly hash: string;
}
export interface OutputPage {
  readonly items: readonly Output[];
  /** Number to ask on after. */
  readonly next: number;
  /** True when the thread had no more at that moment. */
  readonly end: boolean;
}
export type MigrationUpdate = Plain<MigrationStatus>;
export type Migration = MigrationUpdate & { readonly phases: readonly { readonly phase: MigrationUpdate['phase']; readonly atMs: number }[]; readonly tookMs: number };
type CoreDecision = Plain<NonNullable<DecisionRecord['decision']>>;
export type Decision = Omit<CoreDecision, 'risk'> & { readonly riskRatio: number; readonly settlement: Plain<NonNullable<DecisionRecord['settlement']>> | null };
export type Forecast = ForecastMessage;
export type Graph = Plain<GraphAnswer>;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}
/** RFC 9457 problem details. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: Code;
  readonly field?: string;
  readonly remedy: string;
  readonly effect?: 'unknown' | 'done';
}
