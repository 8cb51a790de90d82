/** Newest owner records of many threads, read from the journal and kept for a moment. */
import type { DurationMs, MonotonicMs } from '@godwit/kernel';
import type { Journal, OwnRecord, Stored } from '@godwit/journal';
import type { ThreadSpec } from '@godwit/registry';
import { ifPresent } from '../http/refused.js';
import { BoundedMap } from '../views/bounded-map.js';

export type Owner = Stored<OwnRecord> | undefined;

const MAX_THREADS = 100_000;
/** A list is asked for again and again; an answer this old is still good for it. */
const FRESH_MS: DurationMs = 500;
const AT_ONCE = 32;

export class Owners {
  private readonly known = new BoundedMap<string, { readonly readAtMs: MonotonicMs; readonly owner: Owner }>(MAX_THREADS);

  constructor(private readonly journal: Pick<Journal, 'newestOwn'>, private readonly monotonicMs: () => MonotonicMs) {}

  /** In the order of `specs`; undefined for a thread that never had an owner. */
  async of(specs: readonly ThreadSpec[]): Promise<Owner[]> {
    const owners: Owner[] = [];
    for (let i = 0; i < specs.length; i += AT_ONCE) owners.push(...(await Promise.all(specs.slice(i, i + AT_ONCE).map((spec) => this.one(spec)))));
    return owners;
  }

  async one(spec: ThreadSpec): Promise<Owner> {
    const nowMs = this.monotonicMs();
    const known = this.known.get(spec.thread);
    if (known && nowMs - known.readAtMs < FRESH_MS) return known.owner;
    // Before its first placement a thread's shard may have no stream.
    const owner = await ifPresent(() => this.journal.newestOwn({ shard: spec.shard, thread: spec.thread }));
    this.known.set(spec.thread, { readAtMs: nowMs, owner });
    return owner;
  }
}
