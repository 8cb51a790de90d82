/** The simulated checkpoint store: chunks that can be lost, damaged or gone altogether, and a guard against older epochs. */
import { OperationError, refuse, type Refusal, type ThreadId } from '@godwit/kernel';
import type { CheckpointRecord } from '@godwit/journal';
import type { Checkpoints } from '@godwit/handover';
import type { Broker } from './broker.js';
import type { Net } from './net.js';
import type { Proc } from './proc.js';
import { sha256 } from './program.js';

const CALL_MS = 3_000;

/** What a planted bug takes away. */
export interface StoreRules {
  guarded: boolean;
  verified: boolean;
}

export class Store {
  readonly rules: StoreRules = { guarded: true, verified: true };
  private readonly kept = new Map<string, Uint8Array>();

  constructor(readonly proc: Proc, private readonly broker: Broker) {
    proc.start();
  }

  /** State-transfer grants the right to write by the newest owner record. */
  write(thread: ThreadId, epoch: number, k: number, bytes: Uint8Array): Refusal | undefined {
    const newest = this.broker.newestOwn(thread)?.record.epoch ?? 0;
    if (this.rules.guarded && epoch < newest) return refuse('stale-epoch', `epoch ${epoch} of ${thread} is over, ${newest} is the newest`, 'epoch');
    this.kept.set(`${thread}/${k}`, bytes);
    return undefined;
  }
  read(thread: ThreadId, manifest: CheckpointRecord): Uint8Array | Refusal {
    const bytes = this.kept.get(`${thread}/${manifest.k}`) ?? (this.rules.verified ? undefined : this.kept.get(`${thread}/${manifest.k - 1}`));
    if (!bytes) return refuse('not-found', `checkpoint ${manifest.k} of ${thread} is not in the store`);
    if (this.rules.verified && sha256(bytes) !== manifest.digest) return refuse('snapshot-damaged', `checkpoint ${manifest.k} of ${thread} is damaged`);
    return bytes;
  }
  has(thread: ThreadId, manifest: CheckpointRecord): boolean {
    return this.read(thread, manifest) instanceof Uint8Array;
  }
  removeBelow(thread: ThreadId, k: number): void {
    for (const key of this.kept.keys()) if (key.startsWith(`${thread}/`) && Number(key.split('/')[1]) < k) this.kept.delete(key);
  }

  // --- faults ---

  flush(): void {
    this.kept.clear();
  }
  keys(): string[] {
    return [...this.kept.keys()];
  }
  damage(key: string): void {
    const bytes = this.kept.get(key);
    if (!bytes) return;
    const copy = bytes.slice();
    copy[copy.length - 1]! ^= 1;
    this.kept.set(key, copy);
  }
  lose(key: string): void {
    this.kept.delete(key);
  }
}

export const storeClient = (proc: Proc, store: Store, net: Net): Checkpoints => ({
  write: async (thread, { epoch, k, parts }) => {
    const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
    const refusal = await asked(() => net.ask(proc, store.proc, CALL_MS, () => store.write(thread, epoch, k, bytes)));
    return refusal ?? { chunks: 1 };
  },
  read: (thread, manifest) => asked(() => net.ask(proc, store.proc, CALL_MS, () => store.read(thread, manifest))),
});

async function asked<Reply>(ask: () => Promise<Reply>): Promise<Reply> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof OperationError ? new OperationError('connection-lost', `store: ${error.message}`, { effect: 'unknown' }) : error;
  }
}
