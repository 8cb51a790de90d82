/** How an agent tells its runners that they may run processes, and with which CRIU: one variable, JSON. */
import { ProcessRuntime, type ProcessRuntimeOptions } from './process-runtime.js';

export const PROCESS_SETTING = 'GODWIT_PROCESS';

export const settingOf = (options: ProcessRuntimeOptions): Readonly<Record<string, string>> => ({ [PROCESS_SETTING]: JSON.stringify(options) });

/**
 * The runtime that the setting describes; none without it.
 * @throws SyntaxError when the variable holds something else: the agent that started this process wrote it.
 */
export function runtimesFrom(env: Readonly<Record<string, string | undefined>>): ProcessRuntime[] {
  const text = env[PROCESS_SETTING];
  return text === undefined ? [] : [new ProcessRuntime(JSON.parse(text) as ProcessRuntimeOptions)];
}
