/**
 * The ports of the protocol: all that an agent and the controller need of the world beside the journal, the clock and the
 * timers. Apps implement them on Node, NATS and Redis; the simulator implements them on one seeded queue.
 */
import type { DeviceId, DurationMs, InstantMs, MigrationId, Refusal, ShardId, ThreadId } from '@godwit/kernel';
import type { CheckpointPart, Fence, ThreadAddress } from '@godwit/journal';
import type { ActivateCommand, ActivateReply, AgentStatus, Done, CopyCommand, CopyReply, FeedCommand, FreezeCommand, FreezeReply, Lease, OwnershipCommand, PrepareCommand, PrepareReply, RunCommand, ShadowCommand, StagedCommand, StagedReply, ThrottleCommand, UnshadowCommand } from '@godwit/migration';
import type { ClusterSnapshot, MoveInFlight, MoveSample, PastMove, SettledCounts } from '@godwit/decision';
import type { Registry, ThreadSpec } from '@godwit/registry';
import type { CopyProgress, FeedProgress, InputRecord, RunnerRequestName, RunnerRequests, RuntimeSample, ShadowProgress, ThreadProgram } from '@godwit/runtime';
import type { ThreadOutput } from '@godwit/snapshot';

type Tell = (fields: object, message: string) => void;
/** Structured log lines. */
export interface Log {
  readonly info: Tell;
  readonly warn: Tell;
  readonly error: Tell;
  readonly fatal: Tell;
}

/** An open way for bulk bytes between two devices, handed on unread to a runner. */
export interface BulkLink {
  destroy(): void;
}

export interface RunnerListener {
  onOutput(output: ThreadOutput): void;
  onConsumed(seq: number): void;
  onSample(sample: RuntimeSample): void;
  onFault(refusal: Refusal): void;
  onExit(code: number): void;
  /** The copy that was begun has come so far. */
  onCopy?(progress: CopyProgress): void;
  /** What this shadow holds now. */
  onShadow?(progress: ShadowProgress): void;
  /** What the shadow that this thread feeds has acknowledged. */
  onFeed?(progress: FeedProgress): void;
  /** The process is gone without having been asked to. */
  onDied(reason: string): void;
}

/** The process that executes one thread. Outputs made before a freeze arrive before the freeze's reply. */
export interface Runner {
  readonly pid: number;
  listen(listener: RunnerListener): void;
  /** @throws OperationError('timeout' | 'connection-lost', effect unknown). */
  request<Name extends RunnerRequestName>(name: Name, request: RunnerRequests[Name]['request'], options: { readonly timeoutMs: DurationMs; readonly socket?: BulkLink }): Promise<RunnerRequests[Name]['reply'] | Refusal>;
  feed(records: readonly InputRecord[]): void;
  setDuty(ratio: number): void;
  sampleEvery(periodMs: DurationMs): void;
  /** Stops every instruction of it at once, from outside; `continue` lets it go on. */
  suspend(): void;
  continue(): void;
  end(): void;
}
export interface RunnerPool {
  take(): Promise<Runner>;
  close(): void;
}

export interface ProgramSource {
  load(spec: ThreadSpec): Promise<ThreadProgram | Refusal>;
}

/** This device's door for snapshots, and the way to others'. */
export interface BulkPaths {
  readonly port: number;
  /** Lets the sender of `migration` in, once. */
  expect(migration: MigrationId, key: Uint8Array, onLink: (link: BulkLink) => void): void;
  forget(migration: MigrationId): void;
  /** @throws OperationError('connection-lost', effect none). */
  knock(at: { readonly host: string; readonly port: number }, migration: MigrationId, key: Uint8Array, timeoutMs: DurationMs): Promise<BulkLink>;
  close(): void;
}

/** Checkpoints by grant of state-transfer: each writes one part, a base or a delta; read back part by part. */
export interface Checkpoints {
  /** @param checkpoint `base`: where its chain begins. @returns what the manifest says of it, or why it was refused. @throws OperationError when the store fails. */
  write(thread: ThreadId, checkpoint: { readonly epoch: number; readonly k: number; readonly base: number; readonly parts: readonly Uint8Array[] }): Promise<CheckpointPart | Refusal>;
  /** The part's bytes, verified against its digest. @throws OperationError when the store fails. */
  read(thread: ThreadId, part: CheckpointPart): Promise<Uint8Array | Refusal>;
}

/**
 * What a device keeps on its own disk, so that a broker that went backwards is noticed and can be repaired. The epoch is
 * on disk when `adopted` resolves; the rest follows without being waited for, since the broker has it too.
 */
export interface OwnLog {
  adopted(at: ThreadAddress, fence: Fence): Promise<void>;
  appended(at: ThreadAddress, fence: Fence, output: ThreadOutput, seq: number): void;
  checkpointed(at: ThreadAddress, seq: number): void;
  /** Newest epoch of the thread that was adopted here, in this life of the agent or an earlier one; 0 for none. */
  adoptedEpoch(at: ThreadAddress): number;
  /** Highest sequence of the shard that was seen, 0 for none. */
  seen(shard: ShardId): number;
}

/** Keeps processes within the device's capacity. */
export interface Capacity {
  readonly kind: string;
  /** What this host cannot enforce, and why. */
  missing(): readonly string[];
  admit(pid: number): void;
  release(pid: number): void;
  close(): void;
}

export interface PeerLinks {
  deviceAt(host: string, port: number): DeviceId | undefined;
  /** A copy to the device took so long. */
  copied(device: DeviceId, bytes: number, ms: DurationMs): void;
}

/** Commands to agents. @throws OperationError('timeout' | 'connection-lost') when no answer comes: the effect is unknown. */
export interface AgentCalls {
  run(device: DeviceId, command: RunCommand): Promise<Done | Refusal>;
  prepare(device: DeviceId, command: PrepareCommand): Promise<PrepareReply | Refusal>;
  copy(device: DeviceId, command: CopyCommand): Promise<CopyReply | Refusal>;
  freeze(device: DeviceId, command: FreezeCommand): Promise<FreezeReply | Refusal>;
  awaitStaged(device: DeviceId, command: StagedCommand): Promise<StagedReply | Refusal>;
  activate(device: DeviceId, command: ActivateCommand): Promise<ActivateReply | Refusal>;
  ownership(device: DeviceId, verb: 'thaw' | 'retire', command: OwnershipCommand): Promise<Done | Refusal>;
  throttle(device: DeviceId, command: ThrottleCommand): Promise<Done | Refusal>;
  shadow(device: DeviceId, command: ShadowCommand): Promise<PrepareReply | Refusal>;
  feed(device: DeviceId, command: FeedCommand): Promise<Done | Refusal>;
  unshadow(device: DeviceId, command: UnshadowCommand): Promise<Done | Refusal>;
  status(device: DeviceId): Promise<AgentStatus | Refusal>;
  /** A transfer's turn. Never fails: without an answer the move goes on. */
  waitForPath(source: DeviceId, target: DeviceId, sizeBytes: number): Promise<void>;
}

/** What the controller remembers of a thread beside what is measured. */
export interface ThreadMemory {
  throttledToCores?: number;
  lastThrottledAtMs?: InstantMs;
  lastKeptAtMs?: InstantMs;
  moves: PastMove[];
  fault?: string;
}

export interface SnapshotInput {
  readonly nowMs: InstantMs;
  readonly horizonMs: DurationMs;
  readonly budgetWindowMs: DurationMs;
  readonly registry: Registry;
  readonly deviceOf: (thread: ThreadId) => DeviceId | undefined;
  readonly epochOf: (thread: ThreadId) => number;
  readonly plannable: (thread: ThreadSpec) => boolean;
  readonly movesInFlight: readonly MoveInFlight[];
}

/** The controller's picture of the cluster: last samples, forecasts and leases. */
export interface ClusterPicture {
  /** Leases that are held. */
  readonly leases: Map<DeviceId, Lease>;
  settled: SettledCounts;
  memory(thread: ThreadId): ThreadMemory;
  moved(thread: ThreadId, move: PastMove, sample: MoveSample): void;
  forget(thread: ThreadId): void;
  /** Cores; undefined before there is a forecast. */
  demandNow(thread: ThreadId): number | undefined;
  /** Demand and capacity now, cores: one step of what a decision is settled against. */
  deviceNow(device: DeviceId): { readonly demandCores: number; readonly capacityCores: number } | undefined;
  snapshot(input: SnapshotInput): ClusterSnapshot;
}
