/** The simulated checkpoint store: chunks that can be lost, damaged or gone altogether, and a guard against older epochs. */
import { OperationError, refuse, type Refusal, type ThreadId } from '@godwit/kernel';
import { partsOf, type CheckpointPart, type CheckpointRecord } from '@godwit/journal';
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
  /** Where the chain of a checkpoint begins. */
  private readonly bases = new Map<string, number>();

  constructor(readonly proc: Proc, private readonly broker: Broker) {
    proc.start();
  }

  /** State-transfer grants the right to write by the newest owner record. */
  write(thread: ThreadId, { epoch, k, base }: { readonly epoch: number; readonly k: number; readonly base: number }, bytes: Uint8Array): Refusal | undefined {
    const newest = this.broker.newestOwn(thread)?.record.epoch ?? 0;
    if (this.rules.guarded && epoch < newest) return refuse('stale-epoch', `epoch ${epoch} of ${thread} is over, ${newest} is the newest`, 'epoch');
    this.kept.set(`${thread}/${k}`, bytes);
    this.bases.set(`${thread}/${k}`, base);
    return undefined;
  }
  read(thread: ThreadId, part: CheckpointPart): Uint8Array | Refusal {
    const bytes = this.kept.get(`${thread}/${part.k}`) ?? (this.rules.verified ? undefined : this.kept.get(`${thread}/${part.k - 1}`));
    if (!bytes) return refuse('not-found', `checkpoint ${part.k} of ${thread} is not in the store`);
    if (this.rules.verified && sha256(bytes) !== part.digest) return refuse('snapshot-damaged', `checkpoint ${part.k} of ${thread} is damaged`);
    return bytes;
  }
  has(thread: ThreadId, manifest: CheckpointRecord): boolean {
    return partsOf(manifest).every((part) => this.read(thread, part) instanceof Uint8Array);
  }
  /** But for what checkpoint `k` and later ones rest upon. */
  removeBelow(thread: ThreadId, k: number): void {
    const known = [...this.kept.keys()].filter((key) => key.startsWith(`${thread}/`)).map((key) => ({ key, at: Number(key.split('/')[1]) }));
    const keptFrom = known.filter(({ at }) => at >= k).reduce((least, { key }) => Math.min(least, this.bases.get(key) ?? k), k);
    for (const { key, at } of known) if (at < keptFrom) this.kept.delete(key);
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
  write: async (thread, { parts, ...at }) => {
    const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
    const refusal = await asked(() => net.ask(proc, store.proc, CALL_MS, () => store.write(thread, at, bytes)));
    return refusal ?? { k: at.k, bytes: bytes.length, chunks: 1, digest: sha256(bytes) };
  },
  read: (thread, part) => asked(() => net.ask(proc, store.proc, CALL_MS, () => store.read(thread, part))),
});

async function asked<Reply>(ask: () => Promise<Reply>): Promise<Reply> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof OperationError ? new OperationError('connection-lost', `store: ${error.message}`, { effect: 'unknown' }) : error;
  }
}
