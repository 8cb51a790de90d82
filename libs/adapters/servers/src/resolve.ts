/** Finds a server program, or obtains one, by the chain of `links.ts`; the result says which link answered. */
import { assert, OperationError } from '@godwit/kernel';
import { CHAIN, type ChainLink } from './links.js';
import { thisMachine, type Machine } from './machine.js';
import { CRIU_PROGRAM, NATS_PROGRAM, REDIS_PROGRAM, type ServerProgram } from './programs.js';
import type { ResolvedServer, ServerBinary } from './resolved-server.js';
import { formatVersion, MINIMUM_VERSIONS } from './version.js';

export interface ResolveOptions {
  /** The project's ignored tools folder, as in `.godwit/tools`; absolute. */
  readonly toolsDir: string;
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told one line at each step that takes time, and at the end which link answered. */
  onProgress?(line: string): void;
  /** Default: this machine. */
  readonly machine?: Machine;
  /** Default: the whole chain. */
  readonly links?: readonly ChainLink[];
}

/** @throws OperationError `server-missing` (the message names what to type), `server-too-old`, `invalid-field` */
export const resolveNats = (options: ResolveOptions): Promise<ResolvedServer> => resolve(NATS_PROGRAM, options);

/** @throws OperationError `server-missing` (the message names what to type), `server-too-old`, `invalid-field` */
export const resolveRedis = (options: ResolveOptions): Promise<ResolvedServer> => resolve(REDIS_PROGRAM, options);

/**
 * CRIU 4 or newer, by the same chain; `links: LINKS_WITHOUT_NETWORK` finds one that is there, and obtains none.
 * @throws OperationError `server-missing` (the message names what to type), `server-too-old`
 */
export async function resolveCriu(options: ResolveOptions): Promise<ServerBinary> {
  const found = await resolve(CRIU_PROGRAM, options);
  assert(found.kind === 'binary', 'a tool without URL and image is a program of this machine');
  return found;
}

async function resolve(program: ServerProgram, options: ResolveOptions): Promise<ResolvedServer> {
  const tell = (line: string): void => options.onProgress?.(line);
  const context = {
    program, toolsDir: options.toolsDir, env: options.env ?? process.env, machine: options.machine ?? thisMachine, onProgress: tell,
  };
  const passed: string[] = [];
  for (const link of options.links ?? CHAIN) {
    const answer = await link.answer(context);
    if ('found' in answer) {
      const { found } = answer;
      tell(`${program.program}${found.kind === 'url' ? '' : ` ${found.version}`}: ${found.link}`);
      return found;
    }
    passed.push(`  ${link.name}: ${answer.passed}`);
  }
  throw new OperationError('server-missing', missingMessage(program, passed), { effect: 'none' });
}

function missingMessage(program: ServerProgram, passed: readonly string[]): string {
  const minimum = formatVersion(MINIMUM_VERSIONS[program.name]);
  return [
    `${program.program} ${minimum} or newer was not found and could not be obtained. Type one of these, then start again:`,
    ...program.remedies.map((remedy) => `  ${remedy}`),
    `  export ${program.binVariable}=/path/to/${program.program}`,
    'What was tried:',
    ...passed,
  ].join('\n');
}
