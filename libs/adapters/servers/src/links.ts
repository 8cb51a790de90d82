/** The links of the resolution chain, in their order. Each answers with a server, or passes with its reason. */
import { access, constants, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { OperationError } from '@godwit/kernel';
import { PackagesUnavailable } from './apt-packages.js';
import { obtainFromDebian } from './debian-server.js';
import { lastLine, type CommandResult, type Machine } from './machine.js';
import { versionOf, type ServerProgram } from './programs.js';
import type { ResolvedServer } from './resolved-server.js';
import { keepProgram, keptCommand, keptProgram, lockTool } from './tools-folder.js';
import { formatVersion, tooOld } from './version.js';

export interface LinkContext {
  readonly program: ServerProgram;
  readonly toolsDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  onProgress(line: string): void;
}

/** A server, or why this link has none. */
export type LinkAnswer = { readonly found: ResolvedServer } | { readonly passed: string };

export interface ChainLink {
  /** As it stands in messages. */
  readonly name: string;
  /** @throws OperationError when something that a person set explicitly does not do: it is never skipped in silence. */
  answer(context: LinkContext): Promise<LinkAnswer>;
}

const setting = (context: LinkContext, variable: string): string | undefined => {
  const value = context.env[variable]?.trim();
  return value === '' ? undefined : value;
};

const url: ChainLink = {
  name: 'URL',
  async answer(context) {
    const { url: by } = context.program;
    if (by === undefined) return { passed: 'it is not a server' };
    const value = setting(context, by.variable);
    if (value === undefined) return { passed: `${by.variable} is not set` };
    for (const one of value.split(',')) {
      if (!URL.canParse(one.trim()) || !by.schemes.includes(new URL(one.trim()).protocol)) {
        // The value may carry a password: it is not repeated.
        throw new OperationError('invalid-field', `${by.variable} is no URL of the form ${by.schemes[0]}//HOST:PORT`, { effect: 'none' });
      }
    }
    return { found: { kind: 'url', url: value, link: by.variable } };
  },
};

const explicitBinary: ChainLink = {
  name: 'explicit binary',
  async answer(context) {
    const { binVariable, name } = context.program;
    const path = setting(context, binVariable);
    if (path === undefined) return { passed: `${binVariable} is not set` };
    const trial = await tryCommand(context, [path]);
    if (trial.version === undefined) throw new OperationError('server-missing', `${binVariable}=${path} does not start: ${trial.reason}`, { effect: 'none' });
    const refusal = tooOld(name, trial.version, `${binVariable}=${path}`);
    if (refusal !== undefined) throw new OperationError(refusal.code, refusal.reason, { effect: 'none' });
    return { found: { kind: 'binary', command: [path], env: {}, version: formatVersion(trial.version), link: binVariable } };
  },
};

const toolsFolder: ChainLink = { name: 'tools folder', answer: answerFromTools };

async function answerFromTools(context: LinkContext): Promise<LinkAnswer> {
  const { toolsDir, program } = context;
  const kept = await keptProgram(toolsDir, program.program);
  if (kept === undefined) return { passed: `${join(toolsDir, program.program)} holds nothing` };
  const { command, env } = keptCommand(toolsDir, program.program, kept);
  const trial = await tryCommand(context, command, env);
  if (trial.version === undefined) return { passed: `what it holds does not start: ${trial.reason}` };
  const refusal = tooOld(program.name, trial.version, 'what it holds');
  if (refusal !== undefined) return { passed: refusal.reason };
  return { found: { kind: 'binary', command, env, version: formatVersion(trial.version), link: `tools folder, from ${kept.origin}` } };
}

const path: ChainLink = {
  name: 'PATH',
  async answer(context) {
    const reasons: string[] = [];
    for (const folder of (context.env['PATH'] ?? '').split(delimiter).filter((entry) => entry.startsWith('/'))) {
      for (const name of context.program.pathNames) {
        const file = join(folder, name);
        if (!(await isExecutable(file))) continue;
        const trial = await tryCommand(context, [file]);
        const refusal = trial.version === undefined ? undefined : tooOld(context.program.name, trial.version, file);
        if (trial.version !== undefined && refusal === undefined) {
          return { found: { kind: 'binary', command: [file], env: {}, version: formatVersion(trial.version), link: `PATH (${file})` } };
        }
        reasons.push(refusal === undefined ? `${file} does not start: ${trial.reason}` : `${file} is too old (${formatVersion(trial.version!)})`);
      }
    }
    return { passed: reasons.length > 0 ? reasons.join('; ') : `no ${context.program.pathNames.join(' or ')} there` };
  },
};

const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR'];

const debianPackages: ChainLink = {
  name: 'Debian packages',
  async answer(context) {
    const { toolsDir, program, machine, onProgress } = context;
    try {
      await mkdir(toolsDir, { recursive: true });
      const lock = await lockTool(toolsDir, program.program, onProgress);
      try {
        const meanwhile = await answerFromTools(context);
        if ('found' in meanwhile) return meanwhile;
        const kept = await keepProgram(toolsDir, program.program, (folders) => obtainFromDebian({ ...folders, machine, program, onProgress }));
        const { command, env } = keptCommand(toolsDir, program.program, kept);
        return { found: { kind: 'binary', command, env, version: kept.version, link: kept.origin } };
      } finally {
        await lock.release();
      }
    } catch (error) {
      if (error instanceof PackagesUnavailable) return { passed: error.message };
      if (UNWRITABLE.includes((error as NodeJS.ErrnoException).code ?? '')) return { passed: `the tools folder cannot be written: ${(error as Error).message}` };
      throw error;
    }
  },
};

const releaseArchive: ChainLink = {
  name: 'release archive',
  answer: () => Promise.resolve({ passed: 'not offered: no checksum of an official archive is pinned in this version of Godwit' }),
};

const PULL_TIMEOUT_MS = 300_000;

const container: ChainLink = {
  name: 'container',
  async answer({ machine, program, onProgress }) {
    if (program.image === undefined) return { passed: 'it cannot run inside a container of its own' };
    const engine = await machine.run(['docker', 'info', '--format', '{{.ServerVersion}}'], { timeoutMs: 10_000 });
    if (engine.exitCode !== 0 || engine.stdout.trim() === '') return { passed: engine.exitCode === 127 ? 'no docker on this machine' : `docker does not answer: ${lastLine(engine.stderr)}` };
    onProgress(`${program.program}: asking docker for ${program.image}`);
    const trial = await machine.run(['docker', 'run', '--rm', program.image, '--version'], { timeoutMs: PULL_TIMEOUT_MS });
    const version = trial.exitCode === 0 ? versionOf(program, trial.stdout) : undefined;
    if (version === undefined) return { passed: `${program.image} does not run: ${lastLine(trial.stderr)}` };
    const refusal = tooOld(program.name, version, program.image);
    if (refusal !== undefined) return { passed: refusal.reason };
    return { found: { kind: 'container', engine: 'docker', image: program.image, version: formatVersion(version), link: `container (${program.image})` } };
  },
};

/** The chain: the first link that answers wins. */
export const CHAIN: readonly ChainLink[] = [url, explicitBinary, toolsFolder, path, debianPackages, releaseArchive, container];

/** The links that only look: nothing is fetched or unpacked. */
export const LINKS_WITHOUT_NETWORK: readonly ChainLink[] = [url, explicitBinary, toolsFolder, path];

async function tryCommand({ machine, program }: LinkContext, command: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const result: CommandResult = await machine.run([...command, '--version'], { env, timeoutMs: 10_000 });
  const version = result.exitCode === 0 ? versionOf(program, result.stdout + result.stderr) : undefined;
  return { version, reason: lastLine(result.stderr) || `it does not tell its version (exit code ${result.exitCode})` };
}

const isExecutable = (file: string): Promise<boolean> => access(file, constants.X_OK).then(() => true, () => false);
