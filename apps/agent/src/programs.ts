/** Programs for runners: fetched from the object store, checked by their digest; the instrumented module beside it where it is cached. */
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { ProgramSource } from '@godwit/handover';
import type { Programs as ProgramStore } from '@godwit/nats';
import type { ThreadSpec } from '@godwit/registry';
import type { ThreadProgram } from '@godwit/runtime';
import { migratableName } from '@godwit/wire';

export class Programs implements ProgramSource {
  constructor(private readonly store: ProgramStore) {}

  async load(spec: ThreadSpec): Promise<ThreadProgram | Refusal> {
    const bytes = await this.store.get(spec.program);
    if (!bytes) return refuse('not-found', `program ${spec.program} is not in the object store`, 'programSha256');
    const migratable = spec.runtime === 'wasm' ? await this.store.getDerived(spec.program, migratableName(spec.limits)) : undefined;
    if (isRefusal(migratable)) return migratable;
    return {
      thread: spec.thread, runtime: spec.runtime, bytes, sha256: spec.program, args: spec.args, env: spec.env, seed: spec.seed, limits: spec.limits,
      ...(migratable ? { migratable } : {}),
    };
  }
}
