/** Which of the runtimes that this device is asked to offer it really can; for the others, why not. */
import { DEFAULT_ROOT, processCapability, settingOf } from '@godwit/criu';
import { isRefusal, OperationError } from '@godwit/kernel';
import type { RunnerSettings } from '@godwit/runner-host';
import { LINKS_WITHOUT_NETWORK, resolveCriu, type ServerBinary } from '@godwit/servers';
import type { Log } from '@godwit/shell';
import type { MissingRuntime } from '@godwit/wire';

export interface OfferedRuntimes {
  readonly runtimes: readonly string[];
  readonly missing: readonly MissingRuntime[];
  /** What runners need to know for them. */
  readonly settings: RunnerSettings;
}

export interface OfferOptions {
  /** Where CRIU may lie, or is put. */
  readonly toolsDir: string;
  /** `find`: only what is here already; `obtain`: also unpacked from the distribution's packages. */
  readonly criu: 'find' | 'obtain';
  /** Folder of programs and cells, the same path on every device. */
  readonly root: string;
}
export const DEFAULT_PROCESS_ROOT = DEFAULT_ROOT;

export async function offerRuntimes(wanted: readonly string[], options: OfferOptions, log: Log): Promise<OfferedRuntimes> {
  if (!wanted.includes('process')) return { runtimes: wanted, missing: [], settings: {} };
  const without = (reason: string): OfferedRuntimes => {
    log.warn({ reason }, 'the runtime process is not offered');
    return { runtimes: wanted.filter((runtime) => runtime !== 'process'), missing: [{ runtime: 'process', reason }], settings: {} };
  };
  const criu = await findCriu(options, log);
  if (typeof criu === 'string') return without(criu);
  const { command, env, version } = criu;
  const setting = { criu: { command, env, version }, root: options.root };
  const capability = await processCapability(setting);
  if (isRefusal(capability)) return without(capability.reason);
  log.info({ ...capability }, 'the runtime process is offered');
  return { runtimes: wanted, missing: [], settings: settingOf(setting) };
}

/** @returns CRIU, or why there is none. */
async function findCriu(options: OfferOptions, log: Log): Promise<ServerBinary | string> {
  try {
    return await resolveCriu({
      toolsDir: options.toolsDir, onProgress: (line) => log.info(line), ...(options.criu === 'find' ? { links: LINKS_WITHOUT_NETWORK } : {}),
    });
  } catch (error) {
    if (error instanceof OperationError) return error.message.replaceAll(/\s*\n\s*/g, ' ');
    throw error;
  }
}
