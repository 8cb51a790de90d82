/** What a thread's registration needs beside the registry: its program, which must be one that can be moved. */
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { Programs } from '@godwit/nats';
import type { ThreadSpec } from '@godwit/registry';
import { checkTask } from '@godwit/task';
import { ensureMigratable } from '@godwit/wasm';
import { migratableName } from '@godwit/wire';

/** The instrumented module is kept beside the program, so that no agent has to make it. */
export const checkThread = (programs: Programs) => async (spec: ThreadSpec): Promise<Refusal | undefined> => {
  if (spec.runtime === 'process') return refuse('unsupported', 'the runtime process (CRIU) is not offered by this version', 'runtime');
  const bytes = await programs.get(spec.program);
  if (!bytes) return refuse('not-found', `program ${spec.program} is not in the object store; upload it first`, 'programSha256');
  if (spec.runtime === 'task') return checkTask(bytes);
  const name = migratableName(spec.limits);
  if (await programs.getDerived(spec.program, name)) return undefined;
  const migratable = await ensureMigratable(bytes, spec.limits);
  if (isRefusal(migratable)) return { ...migratable, field: migratable.field ?? 'programSha256' };
  return (await programs.putDerived(spec.program, name, migratable)) ?? undefined;
};
