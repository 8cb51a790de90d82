/** What users register. Immutable once accepted; a later event with the same id replaces the whole spec where that is allowed. */
import type { ApplicationId, DeviceId, DurationMs, InstantMs, Sha256, ShardId, ThreadId } from '@godwit/kernel';

/** Kept equal to `RuntimeKind` of @godwit/snapshot by a test of the wire. */
export type Runtime = 'wasm' | 'task' | 'process';
export type DeviceKind = 'cpu' | 'gpu' | 'fpga' | 'asic';
export const DEVICE_KINDS: readonly DeviceKind[] = ['cpu', 'gpu', 'fpga', 'asic'];

/** Where a device stands; closer places are cheaper to move to. */
export interface Place {
  readonly pop: string;
  readonly rack: string;
  readonly subnet: string;
}

export interface DeviceSpec {
  readonly device: DeviceId;
  readonly kind: DeviceKind;
  /** CPU capacity that the agent enforces, cores, > 0. */
  readonly cpuCores: number;
  readonly memoryBytes: number;
  readonly place: Place;
  readonly pricePerHour: number;
  /** Linear power model: idle watts, and watts at full load. */
  readonly idleWatts: number;
  readonly busyWatts: number;
  readonly numaNodes: number;
  /** Runtimes that the device's agent offers. */
  readonly runtimes: readonly Runtime[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ApplicationSpec {
  readonly application: ApplicationId;
  readonly description: string;
  /** Shared goals; a thread's own goals go before. */
  readonly goals: Goals;
}

export interface Goals {
  /** Response time that 99 of 100 records should stay below, ms; absent: no goal. */
  readonly responseMsP99?: DurationMs;
  /** Longest freeze that a migration may cost, ms. */
  readonly freezeBudgetMs?: DurationMs;
}

export interface AffinityHints {
  /** Only these devices, when not empty. */
  readonly devices: readonly DeviceId[];
  /** Never these. */
  readonly avoidDevices: readonly DeviceId[];
  /** Rather on the same device as these threads. */
  readonly nearThreads: readonly ThreadId[];
  /** Never on the same device as these threads. */
  readonly apartFromThreads: readonly ThreadId[];
  /** True for a thread that must never be moved. */
  readonly pinned: boolean;
}

export type ShadowPolicy = 'none' | 'interval' | 'continuous';
export const SHADOW_POLICIES: readonly ShadowPolicy[] = ['none', 'interval', 'continuous'];
export type ShadowPlacement = 'other-rack' | 'cheapest' | 'named';
export const SHADOW_PLACEMENTS: readonly ShadowPlacement[] = ['other-rack', 'cheapest', 'named'];

/** A standby of the thread on another device, which holds the state of its newest checkpoint. */
export interface ShadowSpec {
  /** `interval`: kept up to date with the thread's ordinary checkpoints. `continuous`: checkpoints as often as the lag limit asks. */
  readonly policy: ShadowPolicy;
  /** Of `continuous`: time between two checkpoints, 50 ms to 60 s. */
  readonly lagLimitMs: DurationMs;
  readonly placement: ShadowPlacement;
  /** Of `named`, and of no other placement. */
  readonly device?: DeviceId;
}

export interface ThreadSpec {
  readonly thread: ThreadId;
  readonly application: ApplicationId;
  readonly shard: ShardId;
  /** A named group of threads that can move together; absent for none. */
  readonly task?: string;
  readonly runtime: Runtime;
  readonly program: Sha256;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly seed: number;
  /** Threads of the same shard whose outputs it consumes. */
  readonly subscribes: readonly ThreadId[];
  readonly deterministic: boolean;
  /** Period of the thread's own timer, ms; 0 for none. */
  readonly tickMs: DurationMs;
  readonly checkpointMs: DurationMs;
  readonly limits: {
    readonly memoryBytes: number;
    readonly stackBytes: number;
    readonly tableEntries: number;
    readonly safepointMs: DurationMs;
    /** Most cores that it can use: 1 for one program counter. */
    readonly cpuCores: number;
  };
  readonly goals: Goals;
  readonly affinity: AffinityHints;
  /** Absent: none. */
  readonly shadow?: ShadowSpec;
  /** First guess of its CPU demand, cores, until it has a history. */
  readonly expectedCores: number;
}

/** Capacity of a device that is spoken for during an interval. */
export interface ReservationSpec {
  readonly reservation: string;
  readonly device: DeviceId;
  readonly cpuCores: number;
  readonly fromMs: InstantMs;
  readonly toMs: InstantMs;
  readonly note: string;
}

/** Demand that somebody outside already knows will come to a thread. */
export interface LoadForecastSpec {
  readonly forecast: string;
  readonly thread: ThreadId;
  readonly cpuCores: number;
  readonly fromMs: InstantMs;
  readonly toMs: InstantMs;
}

export interface MaintenanceSpec {
  readonly maintenance: string;
  readonly device: DeviceId;
  readonly fromMs: InstantMs;
  readonly toMs: InstantMs;
  readonly note: string;
}

/** The registration events. The name is a token of the subject: `godwit.registry.<event>.<id>`. */
export type RegistryEvent =
  | { readonly event: 'device-registered'; readonly spec: DeviceSpec }
  | { readonly event: 'device-removed'; readonly id: DeviceId }
  | { readonly event: 'application-registered'; readonly spec: ApplicationSpec }
  | { readonly event: 'thread-registered'; readonly spec: ThreadSpec }
  | { readonly event: 'thread-removed'; readonly id: ThreadId }
  | { readonly event: 'reservation-registered'; readonly spec: ReservationSpec }
  | { readonly event: 'load-forecast-registered'; readonly spec: LoadForecastSpec }
  | { readonly event: 'maintenance-registered'; readonly spec: MaintenanceSpec };
export type EventName = RegistryEvent['event'];
export const EVENT_NAMES: readonly EventName[] = [
  'device-registered', 'device-removed', 'application-registered', 'thread-registered', 'thread-removed',
  'reservation-registered', 'load-forecast-registered', 'maintenance-registered',
];
