/** What a thread's registration needs beside the registry: its program, which must be one that can be moved. */
import { judgeFormat } from '@godwit/criu';
import { isRefusal, refuse, type Refusal } from '@godwit/kernel';
import type { Programs } from '@godwit/nats';
import type { Runtime, ThreadSpec } from '@godwit/registry';
import { checkProgram } from '@godwit/runner-host';
import { ensureMigratable } from '@godwit/wasm';
import { migratableName } from '@godwit/wire';

/** The instrumented module is kept beside the program, so that no agent has to make it. */
export const checkThread = (programs: Programs, runnerEntry: string, unoffered: (runtime: Runtime) => Refusal | undefined) => async (spec: ThreadSpec): Promise<Refusal | undefined> => {
  const nowhere = unoffered(spec.runtime);
  if (nowhere) return nowhere;
  const bytes = await programs.get(spec.program);
  if (!bytes) return refuse('not-found', `program ${spec.program} is not in the object store; upload it first`, 'programSha256');
  const { thread, runtime, program: sha256, args, env, seed, limits } = spec;
  if (runtime === 'process') return checkProcess(spec, bytes);
  if (runtime === 'task') return checkProgram(runnerEntry, { thread, runtime, bytes, sha256, args, env, seed, limits });
  const name = migratableName(spec.limits);
  if (await programs.getDerived(spec.program, name)) return undefined;
  const migratable = await ensureMigratable(bytes, spec.limits);
  if (isRefusal(migratable)) return { ...migratable, field: migratable.field ?? 'programSha256' };
  return (await programs.putDerived(spec.program, name, migratable)) ?? undefined;
};

/** Whether this machine could run it does not matter: each device judges that for itself when it prepares the thread. */
function checkProcess(spec: ThreadSpec, bytes: Uint8Array): Refusal | undefined {
  if (spec.deterministic) return refuse('invalid-field', 'a process takes time and chance from its machine: deterministic must be false', 'deterministic');
  return judgeFormat(bytes);
}
