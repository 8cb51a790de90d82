/** For the specs: a journal and a checkpoint store in memory, with threads that produce and checkpoint. */
import { deviceId, refuse, requestId, shardId, threadId, type Clock, type DeviceId, type Refusal, type Sha256, type ThreadId } from '@godwit/kernel';
import type { Fence, FencedAppender, Journal } from '@godwit/journal';
import type { CheckpointStore } from '@godwit/redis';
import { EMPTY_REGISTRY, type DeviceSpec, type Place, type Registry, type ThreadSpec } from '@godwit/registry';
import { CHAIN_START, chainOutput } from '@godwit/snapshot';
import { sha256 } from '@godwit/shell/platform';

export const SHARD = shardId('s');
export const [d1, d2] = [deviceId('d1'), deviceId('d2')];
export const at = (thread: ThreadId) => ({ shard: SHARD, thread });

export class HandClock implements Clock {
  atMs = 1_000_000;
  nowMs(): number { return this.atMs; }
  monotonicMs(): number { return this.atMs; }
}

export const registryOf = (subscriptions: Readonly<Record<string, readonly ThreadId[]>>, places: Readonly<Record<string, Partial<Place>>> = {}): Registry => ({
  ...EMPTY_REGISTRY,
  threads: new Map(Object.entries(subscriptions).map(([id, subscribes]) => [threadId(id), { thread: threadId(id), shard: SHARD, subscribes } as unknown as ThreadSpec])),
  devices: new Map(Object.entries(places).map(([id, place]) => [deviceId(id), { device: deviceId(id), place: { pop: '', rack: '', subnet: '', ...place } } as unknown as DeviceSpec])),
});

/** What Redis would hold, by thread and number; `damage` and `failing` are the world's. */
export class MemoryStore implements Pick<CheckpointStore, 'readCheckpoint' | 'removeBelow' | 'grantEpoch'> {
  readonly held = new Map<string, Set<number>>();
  readonly damaged = new Set<string>();
  readonly epochs = new Map<string, number>();
  failing: Error | undefined;
  reads = 0;

  put(thread: ThreadId, k: number): void {
    this.held.set(thread, (this.held.get(thread) ?? new Set()).add(k));
  }
  async readCheckpoint({ thread, k, bytes }: { readonly thread: ThreadId; readonly k: number; readonly bytes: number }): Promise<Uint8Array | Refusal> {
    this.reads++;
    if (this.failing) throw this.failing;
    if (this.damaged.has(`${thread} ${k}`) || !this.held.get(thread)?.has(k)) return refuse('snapshot-damaged', `checkpoint ${k} of thread ${thread}: chunk 0 of 1 is altered`, 'chunks[0]');
    return new Uint8Array(bytes);
  }
  async removeBelow(thread: ThreadId, k: number): Promise<{ readonly removed: number }> {
    const older = [...(this.held.get(thread) ?? [])].filter((present) => present < k);
    for (const present of older) this.held.get(thread)!.delete(present);
    return { removed: older.length };
  }
  async grantEpoch(thread: ThreadId, epoch: number): Promise<void | Refusal> {
    const held = this.epochs.get(thread) ?? 0;
    if (held > epoch) return refuse('stale-epoch', `epoch ${held} holds the right`, 'epoch');
    this.epochs.set(thread, epoch);
  }
}

/** A thread that consumes inputs, appends an output for each, and checkpoints when told. */
export class ThreadRig {
  private appender: FencedAppender | undefined;
  private n = 0;
  private k = 0;
  private hash: Sha256 = CHAIN_START;
  cursorSeq = 0;
  private epoch = 0;

  constructor(private readonly journal: Journal, private readonly store: MemoryStore, readonly thread: ThreadId) {}

  async own(device: DeviceId = d1): Promise<Fence> {
    const newest = await this.journal.newestOwn(at(this.thread));
    this.epoch = (newest?.record.epoch ?? 0) + 1;
    const outcome = await this.journal.appendOwn(at(this.thread), newest?.seq ?? 0, { epoch: this.epoch, device, reason: newest ? 'committed' : 'placed', checkpoint: 0, note: '' });
    if (outcome.result !== 'appended') throw new Error('another owner came first');
    this.appender?.close();
    const fence = { epoch: this.epoch, ownSeq: outcome.own.seq };
    this.appender = this.journal.fencedAppender(at(this.thread), fence);
    return fence;
  }

  async work(inputs: number): Promise<void> {
    for (let i = 0; i < inputs; i++) {
      const input = await this.journal.appendInput(at(this.thread), { requestId: requestId(`${this.thread}-r${this.n + 1}`), kind: 'message', messages: [] });
      if ('refused' in input) throw new Error(input.reason);
      this.cursorSeq = input.seq;
      const output = chainOutput(this.hash, { n: ++this.n, causedBySeq: input.seq, originMs: 0, messages: [] }, sha256);
      this.hash = output.hash;
      await this.appender!.appendOutputs([output]);
    }
  }

  /** @param cursorSeq where a subscriber stands in its producers' outputs. */
  async checkpoint(options: { readonly cursorSeq?: number; readonly bytes?: number; readonly base?: number } = {}): Promise<number> {
    this.store.put(this.thread, ++this.k);
    const base = options.base;
    const parts = base === undefined ? {} : { parts: Array.from({ length: this.k - base + 1 }, (_, i) => ({ k: base + i, bytes: 10, chunks: 1, digest: sha256(Uint8Array.of(base + i)) })) };
    await this.appender!.appendCheckpoint({
      k: this.k, device: d1, runtime: 'task', program: sha256(), cursorSeq: options.cursorSeq ?? this.cursorSeq, outN: this.n, chainHash: this.hash, digest: sha256(Uint8Array.of(this.k)), bytes: options.bytes ?? 10, chunks: 1, ...parts,
    });
    return this.k;
  }

  /** What is still there: numbers of outputs that can be read, and of checkpoints. */
  async left(): Promise<{ inputs: number; outputs: number; checkpoints: number[] }> {
    const reader = await this.journal.read(at(this.thread), { afterSeq: 0, subscribes: [this.thread] });
    let [inputs, outputs] = [0, 0];
    const pending = reader.pending();
    let seen = 0;
    if (pending > 0) {
      for await (const { type } of reader) {
        if (type === 'in') inputs++;
        else outputs++;
        if (++seen === pending) break;
      }
    }
    await reader.close();
    return { inputs, outputs, checkpoints: (await this.journal.checkpoints(at(this.thread), 100)).map(({ record }) => record.k) };
  }
}
