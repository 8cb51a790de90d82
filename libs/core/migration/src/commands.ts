/** What the controller and the agents say to each other about one thread. `wire` gives these their bytes. */
import type { DeviceId, DurationMs, InstantMs, MigrationId, MonotonicMs, ThreadId } from '@godwit/kernel';
import type { ThreadSpec } from '@godwit/registry';

/** Executes the thread as the owner of `epoch`, from the newest checkpoint that can be restored. */
export interface RunCommand { readonly spec: ThreadSpec; readonly epoch: number; readonly ownSeq: number; readonly checkpoint: number }
export interface PrepareCommand { readonly migration: MigrationId; readonly spec: ThreadSpec; readonly epoch: number; readonly transferKey: Uint8Array; readonly expectedCores: number }
export interface PrepareReply { readonly bulkHost: string; readonly bulkPort: number }
/** Copies to the target while the thread runs; answered when a freeze would be inside the budget, or with why it never will be. */
export interface CopyCommand { readonly migration: MigrationId; readonly thread: ThreadId; readonly epoch: number; readonly bulkHost: string; readonly bulkPort: number; readonly transferKey: Uint8Array; readonly freezeBudgetMs: DurationMs }
export interface CopyReply { readonly rounds: number; readonly imageBytes: number; readonly wireBytes: number }
/** Told after each round, by the source. `state`: copying, ready, refused, failed. */
export interface CopyReport extends CopyReply { readonly migration: MigrationId; readonly thread: ThreadId; readonly device: DeviceId; readonly state: string; readonly dirtyBytes: number; readonly bytesPerSecond: number; readonly dirtyBytesPerSecond: number; readonly dutyRatio: number; readonly forecastFreezeMs?: DurationMs; readonly reason?: string }
/** Stops the thread and copies what is left, of the copy that was begun. */
export interface FreezeCommand { readonly migration: MigrationId; readonly thread: ThreadId; readonly epoch: number }
/** The stamp compares with that of `ActivateReply` where both name the same boot. */
export interface FreezeReply { readonly digestSha256: string; readonly sizeBytes: number; readonly frozenMonotonicMs: MonotonicMs; readonly bootId: string }
export interface StagedCommand { readonly migration: MigrationId; readonly thread: ThreadId }
export interface StagedReply { readonly digestSha256: string }
export interface ActivateCommand { readonly migration: MigrationId; readonly thread: ThreadId; readonly epoch: number; readonly ownSeq: number; readonly checkpoint: number }
export interface ActivateReply { readonly runningMonotonicMs: MonotonicMs; readonly bootId: string }
/** Of `thaw` and `retire`. `migration` names what was staged, empty for none. */
export interface OwnershipCommand { readonly thread: ThreadId; readonly epoch: number; readonly ownSeq: number; readonly migration: string }
/** Holds a standby of the thread, fed by its owner; answered with the door that the owner shall knock at. */
export interface ShadowCommand { readonly shadow: MigrationId; readonly spec: ThreadSpec; readonly source: DeviceId; readonly epoch: number; readonly transferKey: Uint8Array }
/** Gives each durable checkpoint to the shadow that waits at that door, and takes checkpoints as often. */
export interface FeedCommand { readonly shadow: MigrationId; readonly thread: ThreadId; readonly epoch: number; readonly target: DeviceId; readonly bulkHost: string; readonly bulkPort: number; readonly transferKey: Uint8Array; readonly checkpointMs: DurationMs }
export interface UnshadowCommand { readonly shadow: string; readonly thread: ThreadId }
/** `waiting`: holds nothing yet. `cut-off`: its feed ended; what it holds is good. `lagMs`: since that was known to be current. */
export interface ShadowStatus { readonly thread: ThreadId; readonly shadow: string; readonly device: DeviceId; readonly source: DeviceId; readonly epoch: number; readonly state: 'waiting' | 'following' | 'cut-off'; readonly checkpoint: number; readonly digestSha256: string; readonly cursorSeq: number; readonly outN: number; readonly lagMs: DurationMs; readonly stateBytes: number }
export interface ThrottleCommand { readonly thread: ThreadId; readonly cpuCores: number }
export type Done = Readonly<Record<string, never>>;

export interface ThreadStatus { readonly thread: ThreadId; readonly epoch: number; readonly state: string; readonly outN: number; readonly cursorSeq: number; readonly refusedAppends: number; readonly fault: string; readonly checkpoint: number; readonly startedFrom: StartedFrom | ''; readonly feeds: string }
/** What a host began with: a staged copy, its own shadow's state, a checkpoint from Redis, or nothing. */
export type StartedFrom = 'copy' | 'shadow' | 'checkpoint' | 'beginning';
export interface AgentStatus { readonly device: DeviceId; readonly threads: readonly ThreadStatus[]; readonly enforcement: string; readonly missing: readonly string[]; readonly refusedAppends: number; readonly bootId: string; readonly pid: number; readonly shadows: readonly ShadowStatus[] }
/** `instance` differs after each start of the agent. */
/** A runtime that a device was asked to offer and cannot, with what stands in the way. */
export interface MissingRuntime { readonly runtime: string; readonly reason: string }
export interface Lease { readonly device: DeviceId; readonly bootId: string; readonly instance: string; readonly renewedAtMs: InstantMs; readonly bulkHost: string; readonly bulkPort: number; readonly missingRuntimes?: readonly MissingRuntime[] }
export interface ThreadEvent { readonly device: DeviceId; readonly thread: ThreadId; readonly epoch: number; readonly kind: 'exited' | 'faulted' | 'fenced'; readonly code: string; readonly reason: string; readonly atMs: InstantMs }

export interface MigrateRequest { readonly thread: ThreadId; readonly target: DeviceId; readonly note: string; readonly force?: boolean }
export interface MigrateReply { readonly migration?: string; readonly code?: string; readonly reason?: string; readonly field?: string }
